import type { Messages } from '../en.ts'
import type { Values } from '../reported.ts'

const quoted = (text: string) => JSON.stringify(text)
/** Why it is so, where the reason is known; else as the node says it. */
const why = ({ why: given = '' }: Values) => (Object.hasOwn(whys, given) ? (whys[given] ?? given) : given)
const NEW_INVITE = 'Peça um novo a um administrador: malote invite --branch <nome>.'
const FOUND_OR_JOIN = 'Funde uma rede com `malote init` ou entre numa com `malote register <convite>`.'
const FREE_SPACE = 'Libere espaço neste disco, ou mude a pasta de dados para um maior.'
const NO_NETWORK = ['este nó não está em nenhuma rede', FOUND_OR_JOIN] as const
const START = 'Ligue o nó com "malote up".'

export const errors: Messages['errors'] = {
  // packages/core/src/errors.ts
  'id-invalid': ({ id = '' }) => [`não é um id válido: ${quoted(id)}`],

  // files
  'file-not-found': ({ ref = '' }) => [
    `não há arquivo ${quoted(ref)}`,
    'Veja os arquivos desta filial com `malote ls`.',
  ],
  'file-ambiguous': ({ ref = '', candidates }) => [
    `${quoted(ref)} pode ser vários arquivos: ${candidates}`,
    'Chame o arquivo pelo id.',
  ],
  'cursor-invalid': () => ['este cursor não veio de uma lista', 'Comece a lista de novo, sem cursor.'],
  'not-owner': ({ file }) => [`só a filial dona de ${file} pode fazer isso, da máquina atual dela`],
  'branch-leaving': () => [
    'esta filial está saindo: os arquivos dela vão para outras e ela não os altera mais',
    'Termine com `malote unregister`; as novas donas podem fazer a mudança.',
  ],
  'handoff-pending': ({ file }) => [
    `${file} está oferecido a outra filial e não pode ser alterado até isso terminar`,
    'Espere a resposta, ou retire a oferta com `malote handoff cancel`.',
  ],
  'no-handoff': ({ file }) => [`não há oferta aberta de ${file} para esta filial`],
  'version-mismatch': ({ file, version, wanted }) => [
    `${file} está na versão ${version}, não na ${wanted}`,
    'Veja antes a versão mais nova.',
  ],
  'epoch-moved': ({ file }) => [`quem pode ver ${file} mudou enquanto a nova versão era lacrada`, 'Tente de novo.'],
  'file-deleted': ({ file }) => [`${file} está na lixeira`, 'Traga de volta antes: `malote restore`.'],
  'file-not-deleted': ({ file }) => [`${file} não está na lixeira`],
  'owner-denied': () => [
    'não dá para bloquear um arquivo para a filial dona dele',
    'Antes, passe o arquivo para outra filial.',
  ],
  'denied-receiver': (values) => [why(values), 'Antes, deixe essa filial ver o arquivo, ou escolha outra.'],
  'self-receiver': () => ['não dá para passar um arquivo à filial que já é dona dele'],
  'audience-key-missing': () => [
    'a chave de quem pode ver este arquivo ainda não está aqui, e nenhum membro conectado pôde dá-la',
    'Tente de novo quando outros membros estiverem ligados.',
  ],
  'name-invalid': (values) => [`${part(values)} ${why(values)}`],
  'preview-unreachable': ({ file }) => [
    `nenhuma filial ao alcance tem a miniatura de ${file}`,
    'Tente de novo quando outras filiais estiverem ligadas.',
  ],
  'preview-too-large': ({ bytes, max }) => [`a miniatura tem ${bytes} bytes; cabem ${max}`],

  // content
  'shape-invalid': ({ detail = '' }) => [`o arquivo não está numa forma que se conheça: ${detail}`],
  'too-many-chunks': ({ limit }) => [
    `o arquivo tem mais de ${limit} bytes, o máximo com pedaços deste tamanho`,
    'Compartilhe a partir de um arquivo no disco, para que se saiba o tamanho e os pedaços possam ser maiores, ou divida o arquivo.',
  ],
  'manifest-missing': ({ root }) => [`a lista de pedaços de ${root} ainda não está aqui`],
  'manifest-wrong': ({ root }) => [`esta lista de pedaços não é a de ${root}`],
  'chunk-missing': ({ root, index }) => [`o pedaço ${index} de ${root} não está aqui`],
  'chunk-damaged': ({ root, index }) => [
    `o pedaço ${index} de ${root} estava danificado no disco e foi descartado`,
    'Ele é buscado de novo em outro membro. Se acontecer outra vez, confira o disco.',
  ],
  'content-damaged': ({ root, index }) => [`o pedaço ${index} de ${root} não se abre com a chave do arquivo`],
  'chunk-timeout': ({ root, index, ms }) => [
    `o pedaço ${index} de ${root} não chegou em ${ms} ms`,
    'Tente de novo quando mais membros estiverem ligados.',
  ],
  'version-removed': ({ root }) => [`${root} foi tirado deste nó`],
  'store-stopped': () => ['o depósito dos arquivos já foi desligado'],
  'disk-full': () => ['o disco está cheio', FREE_SPACE],
  'store-read-only': ({ path }) => [
    `não dá para gravar em ${path}`,
    'Veja se o disco está montado para gravação e se a pasta é deste usuário.',
  ],
  'disk-fault': ({ path }) => [`o disco perdeu ou não consegue ler ${path}`, 'Confira o disco; rode `malote doctor`.'],
  unreadable: (values) => [
    `não dá para compartilhar ${quoted(values.path ?? '')}: ${why(values)}`,
    'Dê o caminho de um arquivo comum que este usuário possa ler.',
  ],
  'file-changed': ({ path = '' }) => [
    `${path} mudou enquanto era lido; nada foi publicado`,
    'Tente de novo quando o programa que o grava tiver terminado.',
  ],
  'range-invalid': ({ start, end, size }) => [`os bytes ${start} a ${end} não cabem num arquivo de ${size} bytes`],
  'box-invalid': ({ limit, length }) => [`uma caixa tem de 1 a ${limit} bytes, não ${length}`],

  // members
  'invite-invalid': (values) => [
    `não é um convite válido: ${why(values)}`,
    `Cole o convite inteiro, sem mudar nada. ${NEW_INVITE}`,
  ],
  'invite-expired': () => ['este convite venceu', NEW_INVITE],
  'invite-used': () => ['este convite já foi usado por outra máquina', `Um convite vale para uma só. ${NEW_INVITE}`],
  'invite-revoked': () => ['este convite foi cancelado', NEW_INVITE],
  'wrong-network': (values) => [
    `esta não é a rede do convite: ${why(values)}`,
    'Confira o endereço, ou deixe-o fora: o convite traz endereços de membros.',
  ],
  'no-admitter': (values) => [
    `nenhum membro foi alcançado${'why' in values ? `: ${why(values)}` : ''}`,
    'Veja se algum membro está ligado e ao alcance, ou dê o endereço com --via <ip[:porta]>.',
  ],
  'register-limit': () => ['tentativas demais de entrar na rede', 'Espere um segundo e tente de novo.'],
  'register-protocol': ({ why: given }) => [`a outra parte não segue o protocolo de entrada: ${given}`],
  'register-version': ({ detail = '' }) => [`a outra parte usa outra versão do protocolo de entrada: ${detail}`],
  'machine-is-member': () => ['esta máquina já é membro', 'Antes, saia com `malote unregister`.'],
  'node-known': () => [
    'esta máquina já foi membro e precisa de uma nova identidade',
    'Use uma pasta de dados vazia (--data) e entre de novo.',
  ],
  'node-not-found': ({ ref = '' }) => [`não há filial nem nó ${quoted(ref)}`, 'Veja `malote nodes`.'],
  'node-ambiguous': ({ ref = '', candidates }) => [`${quoted(ref)} pode ser ${candidates}`, 'Dê mais do id.'],
  'invite-not-found': ({ invite = '' }) => [`não há convite ${quoted(invite)}`, 'Veja `malote invite ls`.'],
  'not-a-member': () => ['este nó não é membro de uma rede', 'Entre numa com `malote register <convite>`.'],
  'not-admin': () => ['só um administrador pode fazer isso', 'Peça a um: `malote nodes` mostra quem é.'],
  quarantined: () => ['este nó está em quarentena', 'Um administrador pode liberá-lo: malote release <filial>.'],
  'software-too-old': ({ active, known }) => [
    `a rede tem a versão ${active} das regras; este programa conhece a ${known}`,
    'Instale um Malote mais novo; o que se perdeu até lá é feito na primeira vez que ele ligar.',
  ],
  'admitter-too-old': () => [
    'o membro a quem se pediu tem um programa velho demais para deixar alguém entrar',
    'Peça a outro: `malote register <convite> --via <endereço>`.',
  ],
  'rules-invalid': ({ asked = '', active = '', known = '' }) =>
    Number(asked) > Number(known)
      ? [
          `a versão ${asked} das regras não pode ser ativada: este programa conhece a ${known}`,
          'Antes, instale um Malote mais novo em todas as filiais.',
        ]
      : [`a versão ${asked} das regras não pode ser ativada: a ${active} está ativa e não volta atrás`],
  refused: ({ refusal = '', why: given = '' }) => [
    `recusado: ${Object.hasOwn(refusals, refusal) ? (refusals[refusal] ?? given) : given}`,
  ],
  'admin-machine': () => [
    'a máquina de um administrador não é trocada por outro administrador sozinho',
    'Assine o convite com a chave de recuperação (--key-file), ou deixe antes dois administradores tirarem o papel dela: `malote role <filial> member`.',
  ],
  'since-invalid': (values) => [
    `não é um registro a que se possa voltar: ${why(values)}`,
    '`malote ledger` mostra os registros e os ids deles.',
  ],
  'branch-name-invalid': (values) => [`não é um nome válido: ${why(values)}`],
  'expiry-invalid': ({ days }) => [`um convite vale de um segundo a ${days} dias`],
  'recovery-key-invalid': (values) => [
    `não é uma chave de recuperação válida: ${why(values)}`,
    'Copie do papel, com todos os grupos.',
  ],
  'recovery-key-foreign': () => ['esta chave de recuperação não é a desta rede'],

  // bytes
  decode: ({ detail = '' }) => [`chegou algo que este programa não entende: ${detail}`],
  encode: ({ detail = '' }) => [`falha do Malote: ${detail}`],
  'seal-broken': () => ['bytes lacrados que não se abrem com esta chave'],

  // databases
  'database-newer': ({ path, found, known }) => [
    `${path} foi gravado por um Malote mais novo (formato ${found}; este conhece o ${known})`,
    'Instale a versão mais nova, ou use outra pasta de dados.',
  ],
  'database-damaged': ({ path }) => [
    `${path} está danificado`,
    'Ligue o nó com `malote up --rebuild`: ele guarda o que se consegue ler e busca o resto nas outras filiais.',
  ],
  'database-forbidden': ({ path }) => [
    `não dá para abrir ${path} para gravação`,
    'Confira o dono e as permissões da pasta de dados, e se o disco aceita gravação.',
  ],
  'database-full': ({ path }) => [`o disco está cheio (${path})`, FREE_SPACE],
  'folder-locked': ({ folder }) => [
    `outro nó do Malote está ligado em ${folder}`,
    'Desligue-o com `malote down`, ou dê a este uma pasta própria com --data.',
  ],

  // network
  unreachable: ({ target }) => [
    `não se alcança ${target}`,
    'Veja se está ligado e se a porta 4373 está aberta de um dos lados, ou ligue um membro com --relay.',
  ],
  'transport-off': ({ target }) => [`não se alcança ${target}: esse transporte está desligado aqui (--transports)`],
  timeout: ({ what, ms }) => [`${what}: nenhuma resposta em ${ms} ms`],
  'not-member': ({ node }) => [`${node} não é membro desta rede`],
  'quarantined-peer': ({ node }) => [`${node} está em quarentena`],
  'no-network': () => NO_NETWORK,
  disconnected: () => ['este nó está fora da rede', 'Rode `malote connect`.'],
  'protocol-unsupported': ({ node, protocol }) => [`${node} não fala ${protocol} desta rede`],
  'stream-broken': ({ why: given }) => [`a outra parte interrompeu: ${given}`],
  'peer-limit': ({ what }) => [`mais do que um nó pode ter: ${what}`],
  'address-invalid': ({ address = '', why: given }) => [
    `não é um endereço: ${quoted(address)} (${given})`,
    'Dê um IP, `IP:porta`, um nome DNS, ou um multiaddr como /ip4/192.0.2.7/tcp/4373.',
  ],
  listen: ({ addresses }) => [
    `não dá para escutar em ${addresses}`,
    'Talvez outro programa use a porta: escolha outra com --port.',
  ],
  'udp-unavailable': ({ platform }) => [
    `não dá para escutar em UDP: aqui não há QUIC para ${platform}`,
    'Escute só em TCP, ou instale com as dependências opcionais.',
  ],
  'fact-invalid': ({ why: given }) => [`não é um fato válido: ${given}`],
  'router-answer': ({ detail = '' }) => [`o roteador respondeu o que não se entende: ${detail}`],
  'router-refused': ({ detail = '' }) => [`o roteador recusou: ${detail}`],

  // ledger
  'entry-foreign': () => ['o registro é de outra rede'],
  'entry-too-large': ({ bytes, max }) => [
    `um registro de ${bytes} bytes; cabem ${max}`,
    'Diga menos coisas de uma vez.',
  ],
  'clock-skew': ({ ms = '' }) => [
    `o relógio desta máquina está ${Math.round(Math.abs(Number(ms)) / 1000)} s ${Number(ms) > 0 ? 'adiantado' : 'atrasado'} em relação ao dos outros membros`,
    'Acerte o relógio desta máquina (ou o dos outros) e tente de novo.',
  ],
  'builds-on-future': ({ until }) => [
    `a última mudança tem data de ${until}, adiante do relógio desta máquina`,
    'Tente de novo depois dessa hora. Se o relógio desta máquina está atrasado, acerte-o.',
  ],
  'running-twice': ({ since }) => [
    `outra máquina roda com a identidade deste nó desde ${since}`,
    'Desligue uma das duas; uma cópia da pasta de dados não é uma segunda filial: convide-a com `malote invite`. Se a outra não é sua, peça a um administrador que ponha este nó em quarentena.',
  ],
  'not-in-network': () => NO_NETWORK,
  'ledger-taken': ({ network }) => [`este nó já pertence à rede ${network}`],
  'ledger-damaged': () => [
    'os registros no disco estão danificados',
    'Desligue o nó e ligue-o com `malote up --rebuild`.',
  ],

  // node
  'identity-damaged': ({ path }) => [
    `${path} não se lê como identidade do Malote`,
    'Recupere-a de uma cópia feita com `malote identity export`, ou tire a pasta de dados do lugar para começar como um novo nó.',
  ],
  'already-member': ({ network }) => [
    `este nó já pertence à rede ${network}`,
    'Antes, saia com `malote unregister`, ou use outra pasta com --data.',
  ],
  leaving: () => [
    'este nó está saindo da rede',
    'Espere até que tenha saído, ou acabe com isso por `malote unregister --force`.',
  ],
  'last-branch': ({ files }) => [
    `${files} arquivo(s) se perderiam`,
    'Esta é a última filial da rede: os arquivos vão embora com ela; `--force` faz isso.',
  ],
  'only-admin': () => [
    'esta filial é o único administrador da rede',
    'Antes, nomeie um segundo: `malote role <filial> admin`. Com --force ela sai assim mesmo, e só a chave de recuperação traz um administrador de volta.',
  ],
  'network-unknown': ({ folder }) => [
    `nada em ${folder} diz a que rede pertence`,
    'Tire essa pasta do lugar e entre de novo, com um convite que um administrador faz com `malote invite --replaces`.',
  ],
  'nobody-to-rebuild-from': () => [
    'os registros se perderam, e nenhum membro foi alcançado para buscá-los',
    'Ligue de novo com `malote up --rebuild` quando outra filial estiver ligada; esperar não perde mais nada.',
  ],
  'incomplete-network': () => ['a pasta da rede ficou pela metade'],
  'no-identity': ({ folder }) => [
    `não há identidade em ${folder}`,
    'Diga a pasta de dados de um nó com --data; `malote up` cria uma.',
  ],
  'folder-unusable': ({ folder, code }) => [
    `${folder} não pode ser uma pasta de dados (${code})`,
    'Diga com --data uma pasta em que este usuário possa gravar, ou que ainda não exista.',
  ],
  'folder-in-use': ({ path }) => [
    `${path} já existe, e uma importação não substitui nada`,
    'Importe numa pasta de dados que ainda não existe, dita com --data.',
  ],
  'not-an-export': () => [
    'isto não é uma identidade exportada, ou não está inteira',
    'Dê o arquivo que `malote identity export` gravou, sem mudar nada.',
  ],
  passphrase: (values) => [why(values), 'Ponha a senha da exportação num arquivo, e diga qual com --passphrase-file.'],
  'settings-too-long': ({ path }) => [`${path} é mais comprido do que opções podem ser`],

  // leaving
  'orphans-left': ({ count }) => [
    `${count} arquivo(s) desta filial não acharam nova dona`,
    'A saída começou e as outras filiais sabem: repita `malote unregister` quando mais delas estiverem ligadas, ou deixe esses arquivos sem dono com --force.',
  ],
  'drain-stalled': ({ done, total }) => [
    `só ${done} de ${total} arquivos têm cópias bastantes em outras filiais`,
    'Espere até que mais filiais estejam ligadas e repita, ou saia assim mesmo com --force.',
  ],

  // transfers
  'no-source': ({ missing, faulty = '' }) =>
    faulty === ''
      ? [
          `nenhuma filial ao alcance tem o que falta do arquivo (${missing} pedaços)`,
          'Espere até que uma filial que tem o arquivo esteja ligada (`malote nodes` mostra quem está) e tente de novo; o que era para ser buscado continua sozinho.',
        ]
      : [
          `nenhuma filial ao alcance tem o que falta do arquivo (${missing} pedaços); o que ${faulty} mandou não é ele`,
          'Espere até que outra filial que tem o arquivo esteja ligada e tente de novo. Na que mandou bytes errados, rode `malote doctor`: o disco pode estar danificado, ou o programa mudado.',
        ],
  'transfer-not-found': ({ id = '' }) => [`não há transferência ${quoted(id)}`, '`malote transfers` mostra quais há.'],
  'transfer-state': ({ id, state }) => [`a transferência ${id} está ${wordOf(state)}: isso não se pode fazer agora`],
  'transfer-cancelled': ({ id }) => [`a transferência ${id} foi cancelada`],
  'source-broken': ({ detail = '' }) => [`uma fonte não seguiu o protocolo: ${detail}`],
  'source-refused': ({ detail = '' }) => [`uma fonte não entrega o arquivo: ${detail}`],

  // packages/api
  unauthorized: ({ detail = '' }) => [
    `falta a credencial do nó ligado, ou não é a certa (${detail})`,
    'Mande "Authorization: Bearer <token>" com o conteúdo de <data>/api-token.',
  ],
  forbidden: ({ detail = '' }) => [`a API não responde a isso: ${detail}`],
  'address-in-use': ({ address }) => [
    `a API não pode escutar em ${address}: outro programa escuta ali`,
    'Escolha outro endereço com --api <endereço:porta>; a porta 0 quer dizer qualquer uma livre.',
  ],
  'rate-limited': ({ retryAfterSeconds }) => [
    'credenciais erradas demais deste endereço',
    `Espere ${retryAfterSeconds} s, ou mande o token certo.`,
  ],
  'precondition-failed': ({ current }) => [
    `a versão atual é a ${current}`,
    'Leia o arquivo de novo e repita a mudança no que ele virou.',
  ],
  'range-unsatisfiable': ({ size }) => [`o conteúdo tem ${size} bytes, nenhum deles no intervalo`],
  'request-invalid': ({ detail = '' }) => [`o pedido não tem a forma que devia: ${detail}`],
  'remote-api': ({ host }) => [
    `a API só escuta em ${host} se o acesso de fora for permitido`,
    'Permita com --api-allow-remote onde a rede for segura, ou deixe em 127.0.0.1.',
  ],
  'route-not-found': ({ method, path }) => [`a API não conhece ${method} ${path}`],
  'upload-aborted': () => ['o envio acabou antes da hora; nada foi publicado'],
  closing: () => ['o nó está sendo desligado'],
  'wait-timeout': ({ seconds }) => [`não foi alcançado em ${seconds} s`, 'Continua em segundo plano.'],

  // packages/client
  'not-running': ({ folder }) => [`nenhum nó ligado em ${folder}`, START],
  'nothing-answers': ({ url }) => [`nada responde em ${url}`, START],
  'another-answers': ({ url }) => [`o que responde em ${url} não é este nó`, START],
  'address-unreadable': ({ path }) => [`não dá para ler ${path}`, START],
  'connection-lost': () => ['a conexão com o nó caiu', 'Veja com "malote status" se ele ainda está ligado, e repita.'],
  'file-unreadable': (values) => [`não dá para ler ${values.path}: ${why(values)}`],
}

export const stops: Messages['stops'] = {
  'no-source': 'nenhuma filial ao alcance tem o que falta',
  unreachable: 'não se alcança quem tem o arquivo',
  timeout: 'ninguém respondeu a tempo',
  interrupted: 'interrompida',
  'disk-full': 'o disco está cheio',
  'read-only': 'não dá para gravar no disco',
  damaged: 'o que está no disco está danificado',
  'not-found': 'o arquivo não está mais aqui',
  deleted: 'o arquivo foi apagado',
  protocol: 'uma fonte não seguiu o protocolo',
}

export const refusals: Messages['refusals'] = {
  'already-founded': 'a rede já foi fundada',
  malformed: 'o registro não tem a forma que devia',
  'not-admin': 'só um administrador pode fazer isso',
  'not-a-member': 'não é membro da rede',
  'admin-machine': 'a máquina de um administrador não é trocada por outro administrador sozinho',
  'unknown-invite': 'não há esse convite',
  'invite-used': 'o convite já foi usado',
  'invite-revoked': 'o convite foi cancelado',
  'invite-expired': 'o convite venceu',
  quarantined: 'em quarentena não se faz isso',
  'already-member': 'esta máquina já é membro',
  'node-known': 'uma máquina que já foi membro precisa de uma nova identidade',
  'bad-signature': 'as provas do convite e de quem chega não conferem',
  'already-replaced': 'a máquina a ser trocada não era mais membro',
  'last-admin': 'a rede ficaria sem administrador',
  self: 'ninguém faz isso consigo mesmo',
  'not-quarantined': 'não estava em quarentena, pelo que o autor sabia',
  'not-newer': 'estas regras já estão ativas',
  'already-leaving': 'já está de saída',
  'not-leaving': 'este membro não está de saída',
  'orphans-left': 'arquivos que ficariam sem dono exigem --force',
  'bad-file': 'o id do arquivo não é deste autor',
  'feed-closed': 'vem depois do fim do que o autor podia escrever',
  'already-exists': 'já existe',
  'bad-content': 'o conteúdo não é o que devia ser',
  'bad-list': 'a lista de quem pode ver não é a que devia ser',
  'bad-proof': 'não prova que conhece a chave',
  conflict: 'a versão em que se baseia não é a atual',
  contested: 'duas filiais aceitaram o arquivo',
  contradicted: 'outra filial aceitou antes',
  deleted: 'o arquivo está na lixeira',
  'draw-lost': 'outra filial ficou com o arquivo antes',
  'handoff-over': 'a oferta já tinha terminado',
  'handoff-pending': 'há outra oferta aberta do arquivo',
  leaving: 'a filial está de saída',
  'not-assignable': 'o arquivo tem dona e não há nada a resolver',
  'not-candidate': 'o autor não era membro quando a distribuição começou',
  'not-deleted': 'o arquivo não está na lixeira',
  'not-founder': 'a primeira chave de todos é a de quem fundou a rede',
  'not-orphaned': 'o arquivo tem dona',
  'not-owner': 'a filial do autor não é a dona do arquivo',
  'not-party': 'a oferta não é desta filial, nem para ela',
  'not-renewed': 'a chave que existe tinha de assinar a seguinte',
  orphaned: 'o arquivo está sem dono',
  purged: 'o arquivo foi apagado de vez',
  'too-late': 'alguém que não sabia disso já ficou com o arquivo',
  'too-many-epochs': 'quem pode ver o arquivo mudou vezes demais',
  'too-many-versions': 'o arquivo tem versões demais',
  'unknown-base': 'baseia-se num registro sem efeito',
  'unknown-file': 'não há esse arquivo',
  'unknown-key': 'não há essa chave',
  'unknown-offer': 'não há essa oferta',
  'unknown-version': 'não há essa versão',
  'wrong-epoch': 'quem pode ver o arquivo já não é o que era',
  'unknown-kind': 'as regras ativas não conhecem este tipo',
}

export const whys: Messages['whys'] = {
  'too long': 'é comprido demais',
  'unknown header': 'o cabeçalho não se conhece',
  'it does not verify': 'a assinatura não confere',
  'not in the form of an invite': 'não tem a forma de um convite',
  'no end': 'não diz até quando vale',
  'too many addresses': 'tem endereços demais',
  'no key': 'não tem chave',
  'not an address': 'tem um endereço que não é um',
  'the network knows another invite under this id': 'a rede conhece outro convite com este id',
  'no member knows it': 'nenhum membro o conhece',
  'its protocol is not spoken there': 'ali não se fala o protocolo dela',
  'its entries are not authentic': 'os registros dela não são autênticos',
  'its founding entry is another one': 'a fundação dela é outra',
  'the one that answered is no member': 'quem respondeu não é membro',
  'the one that answered belongs to none': 'quem respondeu não está em nenhuma',
  'nobody knows that name': 'ninguém conhece esse nome',
  'its transport is switched off here': 'o transporte dele está desligado aqui',
  'it goes with the recovery key alone': 'só com a chave de recuperação',
  'no entry, or more than one, begins so': 'nenhum registro começa assim, ou mais de um',
  'that entry is not by the node that is to be expelled': 'esse registro não é do nó a ser expulso',
  'its key was not shown': 'não mostrou a chave',
  'no network here': 'aqui não há rede',
  'unknown here': 'aqui não se conhece',
  'its proofs do not verify': 'as provas não conferem',
  'it is empty': 'está vazio',
  'is empty': 'está vazio',
  'is not a media type': 'não é um tipo de mídia',
  'a character that does not occur in one': 'tem um caractere que não existe nela',
  'its checksum does not match': 'a soma de verificação não confere',
  'the receiver is no branch of the network any more': 'quem receberia não é mais uma filial da rede',
  'the export is sealed with a passphrase': 'a exportação está lacrada com senha',
  'the passphrase does not open the export, or it was changed': 'a senha não abre a exportação, ou ela foi mudada',
  'it is a folder': 'é uma pasta',
  'it is no plain file': 'não é um arquivo comum',
  'there is no such file': 'o arquivo não existe',
  'permission denied': 'falta permissão',
  'it is a symbolic link': 'é um link',
  'it cannot be opened': 'não dá para abrir',
}

const PARTS: Readonly<Record<string, string>> = {
  name: 'o nome',
  type: 'o tipo',
  campaign: 'a campanha',
  tag: 'a etiqueta',
  'list of tags': 'a lista de etiquetas',
}

function part({ what = '' }: Values): string {
  return PARTS[what] ?? what
}

const STATES: Readonly<Record<string, string>> = {
  queued: 'na fila',
  running: 'em andamento',
  paused: 'pausada',
  done: 'concluída',
  failed: 'interrompida por uma falha',
  cancelled: 'cancelada',
}

function wordOf(state = ''): string {
  return STATES[state] ?? state
}
