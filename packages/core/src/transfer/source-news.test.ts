import { describe, expect, it } from 'vitest'
import { type NodeId, nodeIdFromPublicKey } from '../ids.ts'
import { SourceBrokenError } from './errors.ts'
import { IDLE_TALK_BURST, IDLE_TALK_PER_SECOND, IdleTalk, type News, takeNews } from './source-news.ts'
import { SourcePicker } from './source-picker.ts'
import { seededRandom } from './testing.ts'

const COUNT = 200
const peer: NodeId = nodeIdFromPublicKey(new Uint8Array(32).fill(1))

function source(bits: Uint8Array | null = new Uint8Array(COUNT / 8)) {
  const clock = { now: () => time.ms }
  const time = { ms: 0 }
  const picker = new SourcePicker<NodeId>({
    count: COUNT,
    chunkBytes: 1024,
    isHere: () => false,
    random: seededRandom(1),
  })
  picker.addSource(peer, bits, 0)
  const link = { peer, talk: new IdleTalk(clock, COUNT) }
  return { picker, time, say: (news: News) => takeNews(picker, link, news, time.ms) }
}

describe('what a source says of its chunks', () => {
  it('may be as long as it is news', () => {
    const { say } = source()
    for (let index = 0; index < COUNT; index++) expect(say({ t: 'have', indexes: [index] })).toBe(0)
  })

  it.each<[string, News]>([
    ['that it is busy', { t: 'busy' }],
    ['that it has what it had', { t: 'have', indexes: [7] }],
    ['that it has nothing more', { t: 'have', indexes: [] }],
    ['that something is gone for which nobody asked', { t: 'gone', indexes: [3] }],
    ['that it does not send what nobody asked for', { t: 'cancelled', indexes: [3] }],
  ])('is too much at some point: %s', (_, news) => {
    const { say } = source(null)
    for (let n = 0; n < IDLE_TALK_BURST; n++) say(news)
    expect(() => say(news)).toThrow(SourceBrokenError)
  })

  it('may be as slow as a sign of life, without end', () => {
    const { say, time } = source(null)
    for (let n = 0; n < 10 * IDLE_TALK_BURST; n++) {
      say({ t: 'busy' })
      time.ms += 1000 / IDLE_TALK_PER_SECOND
    }
  })

  it('may be that each chunk is gone, and not that one comes and goes', () => {
    const honest = source(null)
    let settled = 0
    for (let index = honest.picker.next(peer, 0); index !== undefined; index = honest.picker.next(peer, 0))
      settled += honest.say({ t: 'gone', indexes: [index] })
    expect(settled).toBe(COUNT)

    const liar = source()
    const comeAndGo = () => {
      liar.say({ t: 'have', indexes: [5] })
      expect(liar.picker.next(peer, 0)).toBe(5)
      liar.say({ t: 'gone', indexes: [5] })
    }
    for (let n = 0; n <= IDLE_TALK_BURST; n++) comeAndGo()
    expect(comeAndGo).toThrow(SourceBrokenError)
  })
})
