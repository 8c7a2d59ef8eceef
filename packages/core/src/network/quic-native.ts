/**
 * QUIC itself: quinn and rustls, compiled for each platform by the authors of @chainsafe/libp2p-quic, without their
 * JavaScript around it. Why: decision 0043. Where there is none for this machine the node runs without UDP.
 */
import { createRequire } from 'node:module'

export interface NativeStream {
  /** What is there, at least a byte; null at the end. One at a time; while it waits `stopRead` waits, too. */
  read(maxBytes: number): Promise<Uint8Array | null>
  /** Resolves when all of it lies in the send buffer. One at a time; while it waits `resetWrite` waits, too. */
  write(data: Uint8Array): Promise<void>
  finishWrite(): Promise<void>
  resetWrite(): Promise<void>
  stopRead(): Promise<void>
}

export interface NativeConnection {
  inboundStream(): Promise<NativeStream>
  outboundStream(): Promise<NativeStream>
  /** says farewell and forgets what has not been sent */
  abort(): void
  /** milliseconds */
  rtt(): number
  /** with the PeerId that the certificate proves */
  remoteMultiaddr(): string
  /** whoever closed it, or silence */
  closed(): Promise<void>
}

export interface NativeServer {
  port(): number
  /** Waits for one, and for its handshake; rejects when that fails, and when the server has been ended. */
  inboundConnection(): Promise<NativeConnection>
  /** Resolves when the port is free. */
  abort(): Promise<void>
}

export interface NativeClient {
  /** cannot be recalled; ends by itself when nobody answers */
  outboundConnection(ip: string, port: number): Promise<NativeConnection>
  abort(): void
}

declare const configBrand: unique symbol
/** opaque: keys, certificate, limits */
export interface NativeConfig {
  readonly [configBrand]: true
}

export interface NativeConfigInit {
  privateKeyProto: Uint8Array
  handshakeTimeout: number
  maxIdleTimeout: number
  keepAliveInterval: number
  maxConcurrentStreamLimit: number
  maxStreamData: number
  maxConnectionData: number
  receiveBufferSize: number
  sendBufferSize: number
}

export interface QuicNative {
  QuinnConfig: new (init: NativeConfigInit) => NativeConfig
  Server: new (config: NativeConfig, ip: string, port: number) => NativeServer
  Client: new (config: NativeConfig, family: number) => NativeClient
  SocketFamily: { readonly Ipv4: number; readonly Ipv6: number }
}

/** Of two for Linux only the one that fits its C library is installed. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  'linux-x64': ['linux-x64-gnu', 'linux-x64-musl'],
  'linux-arm64': ['linux-arm64-gnu', 'linux-arm64-musl'],
  'darwin-x64': ['darwin-x64'],
  'darwin-arm64': ['darwin-arm64'],
  'win32-x64': ['win32-x64-msvc'],
}

let loaded: QuicNative | null | undefined

/** Null where there is none for this platform, or where it was not installed. */
export function loadQuic(): QuicNative | null {
  loaded ??= load(`${process.platform}-${process.arch}`, createRequire(import.meta.url))
  return loaded
}

/** Exported for tests. */
export function load(platform: string, require: (name: string) => unknown): QuicNative | null {
  for (const name of PACKAGES[platform] ?? []) {
    try {
      return require(`@chainsafe/libp2p-quic-${name}`) as QuicNative
    } catch {
      // the next one; that none is there `status` and `doctor` say
    }
  }
  return null
}
