/** `completion`: a script for the shell, made from the commands themselves. */

import type { Command } from 'commander'
import type { CommandSpec } from '../command.ts'
import { UsageError } from '../errors.ts'
import { say } from '../messages/index.ts'
import { buildProgram } from '../program.ts'

interface Word {
  readonly word: string
  readonly summary: string
}

/** A command with what may follow it. */
interface Place {
  /** `blacklist add`; empty for `malote` itself */
  readonly path: string
  readonly commands: readonly Word[]
  readonly options: readonly Word[]
}

/** @param all every command, also this one: asked for late, since this one is among them */
export function completionCommand(all: () => readonly CommandSpec[]): CommandSpec {
  return {
    usage: 'completion <shell>',
    summary: () => say().help.completion.summary,
    examples: [
      'malote completion bash > ~/.local/share/bash-completion/completions/malote',
      'malote completion zsh > "$' + '{fpath[1]}/_malote"',
      'malote completion fish > ~/.config/fish/completions/malote.fish',
    ],
    async run(context, [shell = '']) {
      const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined
      if (script === undefined) throw new UsageError(say().wrong.shell({ shells: Object.keys(SCRIPTS).join(', ') }))
      const text = script(placesOf(buildProgram(all(), context.signal)))
      context.print({ shell, script: text }, text.trimEnd())
    },
  }
}

function placesOf(command: Command, path = ''): Place[] {
  const commands = command.commands.map((each) => ({ word: each.name(), summary: each.description() }))
  const options = command.options.map((each) => ({ word: each.long ?? each.flags, summary: each.description }))
  return [
    { path, commands, options: [...options, { word: '--help', summary: say().help.program.helpOption }] },
    ...command.commands.flatMap((each) => placesOf(each, path === '' ? each.name() : `${path} ${each.name()}`)),
  ]
}

const wordsOf = (words: readonly Word[]) => words.map((each) => each.word).join(' ')
const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`

const SCRIPTS: Readonly<Record<string, (places: readonly Place[]) => string>> = { bash, zsh, fish }

function bash(places: readonly Place[]): string {
  const known = places.filter(({ path }) => path !== '').map(({ path }) => quote(` ${path}`))
  const cases = places.map(({ path, commands, options }) => {
    return `    ${quote(path)}) commands=${quote(wordsOf(commands))} options=${quote(wordsOf(options))} ;;`
  })
  return `# completion of malote for bash; made by "malote completion bash"
_malote() {
  local current="\${COMP_WORDS[COMP_CWORD]}" at='' commands='' options='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case " \${at:+$at }\${COMP_WORDS[i]}" in
      ${known.join('|')}) at="\${at:+$at }\${COMP_WORDS[i]}" ;;
    esac
  done
  case "$at" in
${cases.join('\n')}
  esac
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
  else
    COMPREPLY=($(compgen -W "$commands" -- "$current"))
  fi
}
complete -o default -F _malote malote
`
}

function zsh(places: readonly Place[]): string {
  const describe = (words: readonly Word[]) =>
    words.map(({ word, summary }) => quote(`${word.replaceAll(':', '\\:')}:${summary}`)).join(' ')
  const known = places.filter(({ path }) => path !== '').map(({ path }) => quote(` ${path}`))
  const cases = places.map(
    ({ path, commands, options }) =>
      `    ${quote(path)}) commands=(${describe(commands)}) options=(${describe(options)}) ;;`,
  )
  return `#compdef malote
# completion of malote for zsh; made by "malote completion zsh"
_malote() {
  local at='' i
  local -a commands options
  for ((i = 2; i < CURRENT; i++)); do
    case " \${at:+$at }\${words[i]}" in
      ${known.join('|')}) at="\${at:+$at }\${words[i]}" ;;
    esac
  done
  case "$at" in
${cases.join('\n')}
  esac
  if [[ $PREFIX == -* ]]; then
    _describe -o 'option' options
  else
    (( $#commands )) && _describe 'command' commands
    [[ -n $at ]] && _files
  fi
}
if [[ $funcstack[1] == _malote ]]; then _malote "$@"; else compdef _malote malote; fi
`
}

function fish(places: readonly Place[]): string {
  const known = places.filter(({ path }) => path !== '').map(({ path }) => fishQuote(` ${path}`))
  const lines = places.flatMap(({ path, commands, options }) => {
    const when = `-n ${fishQuote(`__malote_at ${fishQuote(path)}`)}`
    return [
      ...commands.map(({ word, summary }) => `complete -c malote ${when} -f -a ${word} -d ${fishQuote(summary)}`),
      ...options.map(({ word, summary }) => `complete -c malote ${when} -l ${word.slice(2)} -d ${fishQuote(summary)}`),
    ]
  })
  return `# completion of malote for fish; made by "malote completion fish"
function __malote_at
    set -l at ''
    for word in (commandline -opc)[2..]
        switch "$at $word"
            case ${known.join(' ')}
                set at "$at $word"
        end
    end
    test (string trim -- "$at") = "$argv[1]"
end
${lines.join('\n')}
`
}

const fishQuote = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
