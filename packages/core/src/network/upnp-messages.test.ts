import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RouterAnswerError } from './errors.ts'
import { description, searchAnswer } from './support/fake-router.ts'
import { answerOf, callMessage, locationOf, refusalOf, searchMessage, servicesOf } from './upnp-messages.ts'
import { elementsNamed, escapeXml, parseXml, type XmlElement } from './upnp-xml.ts'

const HERE = '192.168.1.1'
const at = (location: string, from = HERE) => locationOf(Buffer.from(searchAnswer(location)), from)?.href

describe('the XML of routers', () => {
  const name = fc.stringMatching(/^[a-z][a-zA-Z0-9]{0,8}$/)
  const text = fc.string().map((each) => each.trim())
  const within = (children: fc.Arbitrary<XmlElement[]>): fc.Arbitrary<XmlElement> => fc.record({ name, text, children })
  const upTo3 = (inner: fc.Arbitrary<XmlElement>) => within(fc.array(inner, { maxLength: 3 }))
  const tree = upTo3(upTo3(upTo3(within(fc.constant([])))))
  const written = ({ name, text, children }: XmlElement): string =>
    `<x:${name} a="<>" b='"'>${escapeXml(text)}<!-- <no> -->${children.map(written).join('\n ')}</x:${name} >`

  it('is read as it was written', () => {
    fc.assert(
      fc.property(tree, (root) => {
        expect(parseXml(`<?xml?>\n${written(root)}\n`)).toEqual(root)
      }),
    )
  })

  it('whatever else it is, is refused by name', () => {
    const pieces = fc.array(
      fc.oneof(fc.string(), fc.constantFrom('<', '>', '</a>', '<a>', '<!', '<!--', '"', '<a/>', '&#x;')),
    )
    fc.assert(
      fc.property(pieces, (parts) => {
        try {
          parseXml(parts.join(''))
        } catch (error) {
          expect(error).toBeInstanceOf(RouterAnswerError)
        }
      }),
    )
  })

  it.each([
    ['a document type', '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'],
    ['no end', '<a><b>'],
    ['two roots', '<a/><b/>'],
    ['nothing', ''],
    ['a wrong end', '<a></b>'],
    ['too deep', '<a>'.repeat(40) + '</a>'.repeat(40)],
    ['too many', `<a>${'<b/>'.repeat(5_000)}</a>`],
  ])('is refused: %s', (_, source) => {
    expect(() => parseXml(source)).toThrow(RouterAnswerError)
  })

  it('takes no other entities than those of XML, and CDATA as it is', () => {
    expect(parseXml('<a>&lt;&#65;&#x42;&nope;<![CDATA[<&amp;]]></a>').text).toBe('<AB&nope;<&amp;')
    expect(elementsNamed(parseXml('<a><b>1</b><c><b>2</b></c></a>'), 'b').map((each) => each.text)).toEqual(['1', '2'])
  })
})

describe('an answer to a search', () => {
  it('asks for routers of the first version, which the second answers, too', () => {
    const lines = searchMessage(1).toString().split('\r\n')
    expect(lines).toContain('MX: 1')
    expect(lines).toContain('ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1')
    expect(searchMessage(1).length).toBeLessThan(200)
  })

  it.each([
    ['http://192.168.1.1:5000/root.xml', 'http://192.168.1.1:5000/root.xml'],
    ['http://192.168.1.1/', 'http://192.168.1.1/'],
    // another machine: the sender's neighbour, this machine, somebody on the Internet, a name
    ['http://192.168.1.2:5000/root.xml', undefined],
    ['http://127.0.0.1:7373/', undefined],
    ['http://8.8.8.8/', undefined],
    ['http://router.example/', undefined],
    ['http://192.168.1.1.example/', undefined],
    ['http://192.168.1.1@8.8.8.8/', undefined],
    ['http://user:word@192.168.1.1/', undefined],
    ['https://192.168.1.1/', undefined],
    ['file:///etc/passwd', undefined],
    [`http://192.168.1.1/${'a'.repeat(600)}`, undefined],
    ['', undefined],
  ])('leads to %s: %s', (location, expected) => {
    expect(at(location)).toBe(expected)
  })

  it('is passed over when it is something else', () => {
    const good = searchAnswer(`http://${HERE}/`)
    const ofAll = (text: string) => locationOf(Buffer.from(text), HERE)
    expect(ofAll(good)).not.toBeNull()
    expect(ofAll(good.replace('200 OK', '404 No'))).toBeNull()
    expect(ofAll(good.replace('HTTP/1.1 200 OK', 'NOTIFY * HTTP/1.1'))).toBeNull()
    expect(ofAll(good.replace('InternetGatewayDevice:1', 'MediaServer:1'))).toBeNull()
    expect(ofAll(good + ' '.repeat(3_000))).toBeNull()
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => locationOf(bytes, HERE) === null))
  })
})

describe('a description', () => {
  const location = new URL(`http://${HERE}:5000/x/root.xml`)
  const controls = (text: string) => servicesOf(text, location).map(({ control }) => control.href)

  it.each([
    ['/ctl', `http://${HERE}:5000/ctl`],
    ['ctl', `http://${HERE}:5000/x/ctl`],
    [`http://${HERE}:80/ctl`, `http://${HERE}/ctl`],
  ])('names its control as %s', (url, control) => {
    expect(controls(description(url))).toEqual([control])
  })

  it.each(['http://192.168.1.77/ctl', '//8.8.8.8/ctl', 'https://192.168.1.1/ctl', ''])(
    'is of no use when that is %s',
    (url) => {
      expect(() => controls(description(url))).toThrow(RouterAnswerError)
    },
  )

  it('may have a base of its own, at the same machine, and several services', () => {
    const withBase = (base: string) => description('ctl').replace('<device>', `<URLBase>${base}</URLBase><device>`)
    expect(controls(withBase(`http://${HERE}:81/y/`))).toEqual([`http://${HERE}:81/y/ctl`])
    expect(() => controls(withBase('http://8.8.8.8/'))).toThrow(RouterAnswerError)
    const second = description('/two').replace('WANIPConnection:1', 'WANIPConnection:2')
    const both = description('/one').replace(
      '<serviceList>',
      `<serviceList>${/<service>.*<\/service>/.exec(second)?.[0]}`,
    )
    expect(controls(both)).toEqual([`http://${HERE}:5000/two`, `http://${HERE}:5000/one`])
  })
})

describe('a call', () => {
  it('says what is asked, with nothing in it that would be read as more', () => {
    const body = callMessage('urn:x', 'AddPortMapping', { NewProtocol: 'TCP', NewLeaseDuration: 3600, Text: '</a>&"' })
    const [call] = elementsNamed(parseXml(body), 'AddPortMapping')
    expect(call?.children.map(({ name, text }) => [name, text])).toEqual([
      ['NewProtocol', 'TCP'],
      ['NewLeaseDuration', '3600'],
      ['Text', '</a>&"'],
    ])
  })

  it('is answered by its name, or refused by a number', () => {
    const answer = '<e><b><u:GetResponse><A>1</A><B/></u:GetResponse></b></e>'
    expect([...answerOf(answer, 'Get')]).toEqual([
      ['A', '1'],
      ['B', ''],
    ])
    expect(() => answerOf(answer, 'Add')).toThrow(RouterAnswerError)
    expect(refusalOf('<a><errorCode>718</errorCode></a>')).toBe(718)
    for (const other of ['', '<a/>', '<a><errorCode>x</errorCode></a>', 'html']) expect(refusalOf(other)).toBeNull()
  })
})
