/** What the service is made of, and how it is set up. */
import type { Socket } from 'node:net'
import type {
  ComponentLogger,
  Connection,
  Libp2pEvents,
  PeerId,
  PrivateKey,
  TypedEventTarget,
  Upgrader,
} from '@libp2p/interface'
import type { AddressManager, ConnectionManager, Registrar, TransportManager } from '@libp2p/interface-internal'
import type { AnsweringInit } from './answering.ts'
import type { Endpoint } from './endpoints.ts'

export const DEFAULT_PREFIX = '/libp2p-punch'
export interface PunchComponents {
  readonly peerId: PeerId
  readonly privateKey: PrivateKey
  readonly logger: ComponentLogger
  readonly events: TypedEventTarget<Libp2pEvents>
  readonly registrar: Registrar
  readonly addressManager: AddressManager
  readonly connectionManager: ConnectionManager
  readonly transportManager: TransportManager
  readonly upgrader: Upgrader
}

export interface PunchInit {
  /** of the protocol ids, and part of what observers sign; null: speaks nothing until `speak` @default '/libp2p-punch' */
  prefix?: string | null
  /** upgrade relayed connections as they come in, as DCUtR does @default true */
  auto?: boolean
  /**
   * Whose statements about addresses count, and who is asked for them.
   * @default relays in use, and whoever we have a direct connection with
   */
  isObserver?: (peer: string) => boolean
  /** answer others on a port of our own @default not */
  observe?: AnsweringInit
  /** where we answer others besides, on ports that others lend us: `accept` @default none */
  ports?: () => { tcp: number; isShared: boolean }
  /** what may be punched at; a company that routes private addresses between its sites may say more @default the Internet */
  isPublic?: (endpoint: Endpoint) => boolean
  /** A connection stands that both sides have opened: nobody else can be met at its address. On both sides. */
  onPunched?: (connection: Connection) => void
  /**
   * A peer with which there is a direct connection has opened a bare socket beside it, together with us: ours from now on.
   * Who is at its other end has still to be proved. @default such conversations are refused
   */
  onSocket?: (peer: string, socket: Socket) => void
}
