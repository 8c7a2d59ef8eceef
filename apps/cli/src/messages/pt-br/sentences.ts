import type { Sentence } from '../sentences.ts'

const OTHER_PORT = 'encaminhe a porta 4373, TCP e UDP, do roteador para esta máquina'
const RELAY = 'ligue um membro que possa ser alcançado com --relay'

/** Checks of `doctor`, warnings of `status`, progress of leaving. Longer ones first where two fit. */
export const sentences: readonly Sentence[] = [
  // packages/core/src/node/status.ts
  ['1 other branch', '1 outra filial'],
  ['{} other branches', '{} outras filiais'],
  ['this node is quarantined by an admin', 'um administrador pôs este nó em quarentena'],
  ['Ask an admin.', 'Fale com um administrador.'],
  ['this branch is leaving the network', 'esta filial está saindo da rede'],
  ['Finish with `malote unregister`.', 'Termine com `malote unregister`.'],
  ['all that this node knows of the network it has from {}', 'tudo o que este nó sabe da rede veio de {}'],
  [
    'It goes when another branch is reached and tells the same.',
    'Passa quando outra filial é alcançada e diz o mesmo.',
  ],
  ['the network has no admin', 'a rede não tem administrador'],
  ['Restore one with `malote recover`.', 'Traga um de volta com `malote recover`.'],
  ['Appoint a second one: `malote role <node> admin`.', 'Nomeie um segundo: `malote role <filial> admin`.'],
  ['Ask the admin to appoint a second one.', 'Peça ao administrador que nomeie um segundo.'],
  ['the network has only one admin', 'a rede tem só um administrador'],
  ['{} entries are dated in the future and wait', '{} registros têm data no futuro e esperam'],
  ['See `malote nodes`.', 'Veja `malote nodes`.'],
  ['Malote {} on Node.js {}', 'Malote {} com Node.js {}'],
  ['listening on {}', 'escutando em {}'],
  ['listening nowhere', 'não escuta em lugar nenhum'],
  ['Start the node with another --port or --listen.', 'Ligue o nó com outro --port ou --listen.'],
  ['this node belongs to no network', 'este nó não está em nenhuma rede'],
  ['Run `malote init` or `malote register <invite>`.', 'Rode `malote init` ou `malote register <convite>`.'],
  ['{} used, {} free', '{} usados, {} livres'],
  ['only {} are free; {} are kept free', 'só {} estão livres; {} ficam sempre livres'],
  ['Make room, or move the data folder.', 'Libere espaço, ou mude a pasta de dados de lugar.'],
  [
    'every entry is as it was signed, and the state is what the entries say',
    'cada registro está como foi assinado, e o estado é o que os registros dizem',
  ],
  ['nobody is there to compare the clock with', 'não há com quem comparar o relógio'],
  ['Correct the clock of this machine.', 'Acerte o relógio desta máquina.'],
  ['{} ms off from {}', '{} ms de diferença para {}'],
  ['no other branch yet', 'nenhuma outra filial ainda'],
  ['Invite one: `malote invite --branch <name>`.', 'Convide uma: `malote invite --branch <nome>`.'],
  ['the other branch is connected', 'a outra filial está conectada'],
  ['all {} other branches are connected', 'todas as {} outras filiais estão conectadas'],
  ['not connected: {}', 'sem conexão: {}'],
  [
    'If it should be there: is it switched on, is its port open, does a member run with --relay?',
    'Se devia estar: está ligada, a porta dela está aberta, algum membro roda com --relay?',
  ],
  ['no UDP: there is no QUIC for {}-{} here', 'sem UDP: aqui não há QUIC para {}-{}'],
  [
    'Members behind some NATs are then reached over relays only. Install with optional dependencies.',
    'Membros atrás de certos NATs só são alcançados por relays. Instale com as dependências opcionais.',
  ],

  // packages/core/src/node/path-report.ts
  ['{} (TCP {}, UDP {}; relay: {}; NAT: {})', '{} (TCP {}, UDP {}; relay: {}; NAT: {})'],
  ['cannot reach {}: no relay', 'não se alcança {}: nenhum relay'],
  [
    'If it is switched on: open TCP and UDP port 4373 at one of the two, or start one member that can be reached with --relay.',
    `Se está ligada: abra a porta 4373, TCP e UDP, de um dos dois lados, ou ${RELAY}.`,
  ],
  ['others reach this node directly', 'os outros alcançam este nó diretamente'],
  ['others are told an address that was given by hand', 'os outros recebem um endereço dado à mão'],
  ['this node serves as relay', 'este nó serve de relay'],
  [
    'the router leads a port here (UPnP); nobody has come in by it yet',
    'o roteador encaminha uma porta para cá (UPnP); ninguém entrou por ela ainda',
  ],
  [
    'If it stays so, a firewall may be in the way: open TCP and UDP port 4373.',
    'Se continuar assim, talvez um firewall impeça: abra a porta 4373, TCP e UDP.',
  ],
  [
    'this machine has a public address at which nobody came in',
    'esta máquina tem um endereço público por onde ninguém entrou',
  ],
  ['this node is reached on this machine alone', 'este nó só é alcançado nesta máquina'],
  [
    'this node is behind a NAT; others find it over a relay',
    'este nó está atrás de um NAT; os outros o acham por um relay',
  ],
  [
    'this node is behind a NAT, and nobody serves as relay: only the same LAN reaches it',
    'este nó está atrás de um NAT, e ninguém serve de relay: só a mesma rede local o alcança',
  ],
  ['the router is being asked for a port', 'pede-se uma porta ao roteador'],
  ['no router answered', 'nenhum roteador respondeu'],
  [
    'It takes UPnP (IGD) switched on there. Forward TCP and UDP port 4373 on the router to this machine.',
    `Para isso, ligue UPnP (IGD) no roteador; ou ${OTHER_PORT}.`,
  ],
  ['mapped {}', 'porta aberta: {}'],
  ['none: members see this node at its own address ({})', 'nenhum: os membros veem este nó no endereço dele ({})'],
  [
    'members see {}, and one port for all{}: direct ways are opened through it',
    'os membros veem {}, e uma porta para todos{}: por ela se abrem caminhos diretos',
  ],
  [
    'members see {}, and another port each (a symmetric NAT)',
    'os membros veem {}, cada um outra porta (um NAT simétrico)',
  ],
  [
    'a member sees {}; it takes two with public addresses to tell of which kind it is',
    'um membro vê {}; são precisos dois com endereço público para saber de que tipo é',
  ],
  [
    'no member with a public address could be asked what it sees of this node',
    'não havia membro com endereço público a quem perguntar o que vê deste nó',
  ],

  // packages/core/src/node/feed-warnings.ts
  [
    'another machine runs under this identity: nothing is written',
    'outra máquina roda com esta identidade: nada é gravado',
  ],
  ['the next entry goes on with feed {}: {}', 'o próximo registro continua a série {}: {}'],
  ['it was closed in order', 'foi fechada em ordem'],
  ['a majority of the members ends it where this node does', 'para a maioria dos membros ela acaba onde acaba aqui'],
  ['it was begun in this run', 'começou nesta vez que o nó foi ligado'],
  [
    'the next entry opens a new feed: nothing has been written yet',
    'o próximo registro abre uma nova série: nada foi gravado ainda',
  ],
  [
    'the next entry opens a new feed: this folder is a copy, or was moved',
    'o próximo registro abre uma nova série: esta pasta é uma cópia, ou mudou de lugar',
  ],
  [
    'the next entry opens a new feed: this folder was an old copy',
    'o próximo registro abre uma nova série: esta pasta era uma cópia antiga',
  ],
  ['One of the two is wrong.', 'Um dos dois está errado.'],
  ['Most agree with this machine: theirs is to be corrected.', 'A maioria concorda com esta máquina: acertem o deles.'],
  ['Correct it; until then nothing can be written.', 'Acerte-o; até lá nada pode ser gravado.'],

  // packages/core/src/node/key-checks.ts
  [
    '{} file(s) can be read by this branch only: nobody else could give their keys back',
    '{} arquivo(s) só esta filial pode ler: ninguém mais poderia devolver as chaves',
  ],
  [
    'Keep a backup of the data folder, or let another branch read them.',
    'Guarde uma cópia da pasta de dados, ou deixe outra filial ler esses arquivos.',
  ],
  [
    '{} file(s) of this branch cannot be opened here: their keys or descriptions are missing',
    '{} arquivo(s) desta filial não se abrem aqui: faltam as chaves ou as descrições',
  ],
  [
    'Other readers are asked as they come online; what only this branch could read needs a backup.',
    'Pergunta-se aos outros leitores quando se ligam; o que só esta filial podia ler precisa de uma cópia guardada.',
  ],

  // packages/core/src/node/chunk-checks.ts
  ['not looked through yet', 'ainda não conferido'],
  [
    'being looked through since {}: {} so far are as they were sealed',
    'em conferência desde {}: {} até agora estão como foram lacrados',
  ],
  [
    'every chunk was as it was sealed when last looked through ({}, {})',
    'cada pedaço estava como foi lacrado na última conferência ({}, {})',
  ],
  ['Run `malote doctor`.', 'Rode `malote doctor`.'],
  ['Check this disk if that happens again.', 'Se acontecer outra vez, confira este disco.'],
  [
    'It goes by itself; check this disk if that happens again.',
    'Resolve-se sozinho; se acontecer outra vez, confira este disco.',
  ],
  [
    'Bring branches online that may have it: `malote show <file>` says who holds copies. Check this disk.',
    'Ligue filiais que talvez o tenham: `malote show <arquivo>` diz quantas cópias há. Confira este disco.',
  ],

  // packages/core/src/node/copy-warnings.ts
  ['{} file(s) have fewer copies than they should', '{} arquivo(s) têm menos cópias do que deveriam'],
  ['Copies are made as branches come online.', 'As cópias são feitas quando as filiais se ligam.'],
  ['The others are made as branches come online.', 'As outras são feitas quando as filiais se ligam.'],
  [
    'for {} of them there are not enough branches: the others are full, offer no room, may not hold them, or are gone',
    'para {} deles não há filiais bastantes: as outras estão cheias, não oferecem espaço, não podem guardá-los ou saíram',
  ],
  [
    'Offer more with `malote up --capacity`, make room on their disks, or bring branches back.',
    'Ofereça mais com `malote up --capacity`, libere espaço nos discos, ou ligue filiais de novo.',
  ],
  [
    'the network allows {} of {} copies: files can be read while up to {} of {} branches are off',
    'a rede permite {} de {} cópias: os arquivos podem ser lidos com até {} de {} filiais desligadas',
  ],
  ['{} sent wrong bytes of {}; nothing of them was kept', '{} mandou bytes errados de {}; nada deles foi guardado'],
  [
    'Have it run `malote doctor --chunks`: its disk may be damaged, or its software changed.',
    'Rode lá `malote doctor --chunks`: o disco pode estar danificado, ou o programa mudado.',
  ],

  // packages/core/src/node/integrity-warnings.ts
  ['same entries, but another state than {}', 'os mesmos registros, mas outro estado que {}'],
  [
    'Install a newer Malote; what was missed meanwhile is executed at its first start.',
    'Instale um Malote mais novo; o que se perdeu até lá é feito na primeira vez que ele ligar.',
  ],

  // packages/core/src/replication/leave.ts
  ['no other branch is online; waiting for one', 'nenhuma outra filial está ligada; esperando por uma'],
  ['{} of {} files are safe on other branches', '{} de {} arquivos estão a salvo em outras filiais'],
  ['{} of {} files have a new owner', '{} de {} arquivos têm uma nova dona'],
  ['no other branch is online', 'nenhuma outra filial está ligada'],
  ['every branch online knows', 'todas as filiais ligadas já sabem'],
  ['1 branch is still to be told', 'falta avisar 1 filial'],
  ['{} branches are still to be told', 'falta avisar {} filiais'],
  [
    'this branch has left the network; nobody was online to be told: the others will see this branch as offline; an admin can expel it',
    'esta filial saiu da rede; ninguém estava ligado para ser avisado: as outras verão esta filial como desligada; um administrador pode expulsá-la',
  ],
  [
    'this branch has left the network; nobody could be told in time: the others will see this branch as offline; an admin can expel it',
    'esta filial saiu da rede; ninguém pôde ser avisado a tempo: as outras verão esta filial como desligada; um administrador pode expulsá-la',
  ],
  ['this branch has left the network', 'esta filial saiu da rede'],

  // packages/core/src/membership/commands.ts
  [
    'a second admin must expel it too, one whom this branch did not appoint alone; or the recovery key',
    'um segundo administrador precisa expulsá-la também, um que esta filial não nomeou sozinha; ou a chave de recuperação',
  ],
  ['{} must expel it too; or the recovery key', '{} precisa expulsá-la também; ou a chave de recuperação'],
]
