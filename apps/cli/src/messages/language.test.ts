import { describe, expect, it } from 'vitest'
import { chooseLanguage, languageOf } from './language.ts'

const chosen = (line: string, environment = {}) => chooseLanguage(['node', 'malote', ...line.split(' ')], environment)

describe('the language', () => {
  it.each([
    ['pt', 'pt-BR'],
    ['pt-BR', 'pt-BR'],
    ['pt_BR.UTF-8', 'pt-BR'],
    ['PT-br', 'pt-BR'],
    ['en', 'en'],
    ['en_US.UTF-8', 'en'],
    ['de', null],
    ['ptx', null],
    ['', null],
  ])('%j is %s', (text, language) => expect(languageOf(text)).toBe(language))

  it('is that of the option before that of the environment', () => {
    const LC_ALL = 'pt_BR.UTF-8'
    expect(chosen('ls --lang en', { LC_ALL })).toBe('en')
    expect(chosen('--lang=pt-BR ls')).toBe('pt-BR')
    expect(chosen('ls --lang en --lang pt-BR')).toBe('pt-BR')
  })

  it('is that of the first variable that is set', () => {
    expect(chosen('ls', { LC_ALL: '', LC_MESSAGES: 'pt_PT', LANG: 'en_US' })).toBe('pt-BR')
    expect(chosen('ls', { LC_ALL: 'C.UTF-8', LANG: 'pt_BR' })).toBe('en')
    expect(chosen('ls', { LANG: 'pt_BR' })).toBe('pt-BR')
    expect(chosen('ls', { LANG: 'de_DE' })).toBe('en')
    expect(chosen('ls')).toBe('en')
  })

  it('is English with --json', () => {
    expect(chosen('ls --json --lang pt-BR')).toBe('en')
    expect(chosen('ls -- --json', { LANG: 'pt_BR' })).toBe('pt-BR')
  })

  it('is not told by what stands behind --', () => {
    expect(chosen('ls -- --lang pt-BR')).toBe('en')
  })
})
