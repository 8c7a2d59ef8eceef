import type { Messages } from '../en.ts'

export const columns: Messages['columns'] = {
  id: 'ID',
  name: 'NOME',
  size: 'TAMANHO',
  v: 'V',
  owner: 'DONA',
  campaign: 'CAMPANHA',
  copies: 'CÓPIAS',
  here: 'AQUI',
  state: 'ESTADO',
  version: 'VERSÃO',
  by: 'POR',
  when: 'QUANDO',
  n: 'N',
  time: 'HORA',
  kind: 'TIPO',
  author: 'AUTOR',
  subject: 'SOBRE',
  entry: 'REGISTRO',
  seq: 'SEQ',
  head: 'PONTA',
  file: 'ARQUIVO',
  done: 'FEITO',
  speed: 'VELOCIDADE',
  left: 'FALTA',
  sources: 'FONTES',
  offer: 'OFERTA',
  from: 'DE',
  to: 'PARA',
  since: 'DESDE',
  denied: 'BLOQUEADA',
  fileId: 'ID DO ARQUIVO',
  node: 'NÓ',
  branch: 'FILIAL',
  role: 'PAPEL',
  path: 'CAMINHO',
  rtt: 'IDA E VOLTA',
  rate: 'VELOCIDADE',
  lastSeen: 'VISTA POR ÚLTIMO',
  marks: 'MARCAS',
  expires: 'VENCE',
  setting: 'OPÇÃO',
  value: 'VALOR',
  settingFrom: 'DE ONDE VEM',
}

export const words: Messages['words'] = {
  // members
  member: 'membro',
  admin: 'administrador',
  online: 'ligada',
  offline: 'desligada',
  quarantined: 'em quarentena',
  left: 'saiu',
  expelled: 'expulsa',
  // files
  live: 'ativo',
  deleted: 'na lixeira',
  orphaned: 'sem dono',
  // invites
  open: 'aberto',
  used: 'usado',
  expired: 'vencido',
  revoked: 'cancelado',
  // transfers
  upload: 'envio',
  fetch: 'busca',
  replicate: 'cópia',
  drain: 'entrega',
  draw: 'distribuição',
  farewell: 'despedida',
  queued: 'na fila',
  running: 'em andamento',
  paused: 'pausada',
  done: 'concluída',
  failed: 'falhou',
  cancelled: 'cancelada',
  // checks
  ok: 'ok',
  warning: 'aviso',
  problem: 'problema',
  // reach
  public: 'público',
  private: 'privado',
  announced: 'anunciado',
  unknown: 'desconhecido',
  off: 'desligado',
  on: 'ligado',
  server: 'serve',
  none: 'nenhum',
  // settings
  default: 'padrão',
  unlimited: 'sem limite',
  'what is free': 'o que estiver livre',
  anybody: 'qualquer uma',
  always: 'sempre',
  never: 'nunca',
}

export const files: Messages['files'] = {
  none: 'nenhum arquivo',
  more: ({ cursor }) => `Há mais: --cursor ${cursor}`,
  present: ({ version }) => `${version} (atual)`,
  conflict: 'conflito',
  yes: 'sim',
  part: 'em parte',
  no: 'não',
  offered: 'oferecido',
  name: 'nome',
  id: 'id',
  size: 'tamanho',
  version: 'versão',
  owner: 'dona',
  shared: 'criado',
  changed: 'alterado',
  campaign: 'campanha',
  tags: 'etiquetas',
  seenBy: 'quem vê',
  copies: 'cópias',
  state: 'estado',
  disputed: 'disputado',
  offeredTo: 'oferecido',
  sizeText: ({ size, bytes, type }) => `${size} (${bytes} bytes), tipo ${type}`,
  copiesText: ({ held, target, here }) => `${held} de ${target}; aqui: ${here}`,
  disputedText: ({ owner }) => `aceito por duas filiais, pertence a ${owner}; um administrador pode dá-lo a outra`,
  offeredText: ({ to, since }) => `a ${to} desde ${since}`,
  everyone: 'todos',
  everyoneExcept: ({ names }) => `todos, menos ${names}`,
  onlyThese: ({ names }) => `só ${names}`,
  hadAccess: ({ branch, until }) => `${branch} tinha acesso até ${until} e pode ter guardado uma cópia`,
  notKnownBefore: ({ since }) => `quem podia ver antes de ${since} não se sabe aqui`,
  deleted: ({ file }) => `${file} está na lixeira`,
  purged: ({ file }) => `${file} foi apagado de vez`,
  bringsBack: ({ id }) => `"malote restore ${id}" traz de volta.`,
  restored: ({ name, version, state }) => `${name} está na versão ${version}, ${state}`,
}

export const blacklist: Messages['blacklist'] = {
  none: 'ninguém está bloqueado em nada',
  nobody: ({ name }) => `${name}: ninguém está bloqueado`,
  denied: ({ name, branches }) => `${name}: bloqueado para ${branches}`,
}

export const upload: Messages['upload'] = {
  stdin: 'stdin',
  updated: ({ name, version, size }) => `${name} está na versão ${version} (${size})`,
  goesOn: 'As cópias nas outras filiais são feitas em segundo plano.',
  stored: ({ name }) => `${name} está guardado aqui; as cópias nas outras filiais são feitas em segundo plano.`,
  reached: ({ name, level, held, target }) => `${name} chegou a ${level}: ${held} de ${target} cópias.`,
}

export const fetch: Messages['fetch'] = {
  ownCopy: 'da cópia deste nó',
  from: ({ branches }) => `de ${branches}`,
  previewOf: ({ name }) => `miniatura de ${name}`,
  goesOn: ({ id }) => `O nó continua em segundo plano; "malote transfers cancel ${id}" acaba também com isso.`,
  sources: ({ count }) => (count === 1 ? '1 fonte' : `${count} fontes`),
}

export const progress: Messages['progress'] = {
  of: ({ done, total }) => `${done} de ${total}`,
  left: ({ time }) => `faltam ${time}`,
}

export const members: Messages['members'] = {
  none: 'nenhum membro',
  thisOne: ({ branch }) => `${branch} (esta)`,
  now: 'agora',
  never: 'nunca',
  about: ({ branch, id, standing, role }) => `${branch} (${id}): ${standing}, papel ${role}`,
  notQuarantined: 'sem quarentena',
  marked: ({ marks }) => `, marcas: ${marks}`,
  role: ({ branch, id, role }) => `${branch} (${id}): papel ${role}`,
  noInvites: 'nenhum convite',
  namesake: ({ branch }) =>
    `Já existe um membro chamado ${branch}. Para uma máquina nova no lugar dele: --replaces "${branch}"`,
  revoked: ({ id }) => `convite ${id} cancelado`,
  final: 'é definitivo',
  notFinal: ({ waitsFor }) => `ainda não é definitivo, espera por: ${waitsFor}`,
}

export const network: Messages['network'] = {
  disconnected: 'fora da rede',
  alone: 'aberto; nenhuma outra filial alcançada ainda',
  connected: ({ online, total }) => `conectado às outras filiais: ${online} de ${total}`,
  recoveryKey: ({ key }) =>
    `Chave de recuperação, mostrada só desta vez. Anote no papel e guarde trancada:\n\n    ${key}\n`,
  founded: ({ network, branch }) => `rede ${network} fundada com a filial ${branch}`,
  joined: ({ network, branch, members }) => `entrou em ${network} como ${branch}; ${members} membros`,
  rules: ({ active }) => `a versão ${active} das regras está ativa, a mais nova que este programa conhece`,
  olderRules: ({ active, known }) => `a versão ${active} das regras está ativa, este programa conhece a ${known}`,
  recovered: 'este nó agora é administrador',
  entries: 'registros',
  leaving: 'saindo',
  left: 'esta filial saiu da rede',
  cancelled: 'a saída foi cancelada; se já tinha ido longe demais para isso, `malote status` avisa',
  goesOn: 'as outras filiais já sabem: a saída continua em segundo plano',
}

export const ownership: Messages['ownership'] = {
  offered: ({ name, branch }) => `${name} foi oferecido a ${branch}`,
  waiting: ({ branch, id }) => `Esperando por ${branch}; "malote handoff cancel ${id}" retira a oferta.`,
  belongsNow: ({ name, branch }) => `${name} agora é de ${branch}`,
  belongs: ({ name, branch }) => `${name} é de ${branch}`,
  untilAccepted: ({ belongs, branch }) => `${belongs}, até ${branch} aceitar`,
  toThis: 'a esta filial',
  ofThis: 'desta filial',
  none: 'nenhuma oferta aberta',
  declined: ({ file }) => `${file} recusado`,
}

export const transfers: Messages['transfers'] = {
  none: 'nenhuma transferência',
  state: ({ file, state }) => `${file}: transferência ${state}`,
  goesFirst: ({ file, state }) => `${file}: ${state}, vai à frente de todas`,
  nothingTo: { pause: 'nada a pausar', resume: 'nada a continuar', cancel: 'nada a cancelar' },
  unlimited: 'sem limite',
  limits: ({ up, down }) => `envio ${up}, recebimento ${down}`,
}

export const ledger: Messages['ledger'] = {
  refused: ({ code, reason }) => `RECUSADO (${code}): ${reason}`,
  none: 'nenhum registro',
  next: ({ next }) => `Para o que vier depois: --since ${next}`,
  noHeads: 'nenhuma ponta',
  digest: ({ state, entries }) => `estado     ${state}\nregistros  ${entries}`,
  inOrder: ({ entries, state }) => `todos os ${entries} registros estão em ordem; estado ${state}`,
  wrong: ({ entries, state, recomputed }) =>
    `o banco de dados não é o que os seus ${entries} registros dizem\nestado       ${state}\nrecalculado  ${recomputed}`,
}

export const status: Messages['status'] = {
  node: 'nó',
  presence: 'presença',
  members: 'membros',
  paths: 'caminhos',
  files: 'arquivos',
  ledger: 'registros',
  reach: 'alcance',
  disk: 'disco',
  listens: 'escuta',
  atRisk: 'em risco',
  warning: 'aviso',
  next: 'a seguir',
  nodeText: ({ branch, id, standing }) => `${branch} (${id}), ${standing}`,
  inNoNetwork: 'em nenhuma rede',
  roleOf: ({ role, network }) => `${role} de ${network}`,
  connected: 'conectado',
  disconnected: 'fora da rede',
  membersText: ({ total, online }) => `${total}, ${online} ligados`,
  filesText: ({ total, size, atRisk }) => `${total} (${size}), ${atRisk} em risco`,
  ledgerText: ({ entries, others }) =>
    others === 1 ? `${entries}, iguais aos de 1 outro nó` : `${entries}, iguais aos de ${others} outros nós`,
  heldBack: ({ held }) => `${held} à espera`,
  stateText: ({ state }) => `estado ${state}`,
  reachText: ({ tcp, udp, relay, nat }) => `TCP ${tcp}, UDP ${udp}; relay ${relay}; NAT ${nat}`,
  diskText: ({ used, free, offered }) => `${used} usados, ${free} livres, oferece ${offered}`,
  whatIsFree: 'o que estiver livre',
  up: ({ version, time }) => `${version}, ligado há ${time}`,
  riskText: ({ name, id, held, target }) => `${name} (${id}): ${held} de ${target} cópias`,
  riskMore: ({ count }) => `mais ${count}`,
  nextText: 'entre numa rede com `malote register <convite>`; a primeira filial funda a rede com `malote init`',
}

export const system: Messages['system'] = {
  stopped: 'desligado',
  noNodeRuns: 'nenhum nó ligado',
  afterRestart: ({ name, value, from }) => `depois de religar: ${name} ${value} (${from})`,
  open: ({ url, code, expires }) => `${url}\ncódigo de uso único para POST /session, lá: ${code} (até ${expires})`,
  ready: ({ url, id, addresses }) => `pronto: API em ${url} (página: ${url}/docs), nó ${id}, escutando em ${addresses}`,
}

export const identity: Messages['identity'] = {
  exported: ({ id, path }) => `${id} exportado para ${path}`,
  notSealed: 'Não foi lacrado com senha: quem ler este arquivo é esta filial. Guarde como uma chave.',
  neverTwo: 'Nunca ligue duas máquinas com a mesma identidade: importe onde ela vai rodar daqui em diante.',
  imported: ({ id, folder }) => `${id} importado em ${folder}`,
  stopTheOld:
    'Desligue a máquina antiga de vez; depois ligue esta com "malote up": ela busca os registros nas outras filiais.',
  startIt: 'Ligue o nó com "malote up".',
}

export const service: Messages['service'] = {
  wrote: ({ path, next }) => `${path} gravado\na seguir: ${next}`,
  linger: 'Para que rode quando ninguém está conectado à máquina: loginctl enable-linger',
  removed: ({ path, next }) => `${path} removido; a pasta de dados fica\na seguir: ${next}`,
  notThere: ({ path }) => `${path} não existe`,
}
