/**
 * noise, with less work for what is large. Same bytes on the wire as any; @libp2p/noise 17.0.3 costs a third of the
 * processor time of a relayed file, most of it not for encryption:
 *
 * - Node makes a key of 32 bytes for each message: 25 of 72 microseconds. Here a connection has its two keys once.
 * - A message that came in pieces is copied into one for a destination that is not used.
 * - Each piece goes to the socket by itself, its length of two bytes and its tag of 16 as well: three calls of the system,
 *   and packets of two bytes. Here a message is one.
 * - What is larger than a message is cut at the largest, which leaves a rest of some bytes; here in equal parts.
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import { Socket } from 'node:net'
import type { ConnectionEncrypter, MessageStream } from '@libp2p/interface'
import { type ICryptoInterface, type NoiseComponents, noise } from '@libp2p/noise'
import { defaultCrypto } from '@libp2p/noise/crypto'
import { MAX_MESSAGE_BYTES } from './steady-yamux.ts'

const CIPHER = 'chacha20-poly1305'
const TAG = { authTagLength: 16 } as const
/** Below this what libp2p takes is faster. */
const SMALL_BYTES = 1_200

type Bytes = Parameters<MessageStream['send']>[0]
type List = Exclude<Bytes, Uint8Array>

const keys = new WeakMap<Uint8Array, KeyObject>()

function keyOf(bytes: Uint8Array): KeyObject {
  const known = keys.get(bytes)
  if (known !== undefined) return known
  const key = createSecretKey(bytes)
  keys.set(bytes, key)
  return key
}

export const messageCrypto: ICryptoInterface = {
  ...defaultCrypto,
  chaCha20Poly1305Encrypt(plaintext, nonce, ad, k) {
    if (plaintext instanceof Uint8Array || plaintext.byteLength < SMALL_BYTES || ad.length > 0)
      return defaultCrypto.chaCha20Poly1305Encrypt(plaintext, nonce, ad, k)
    const cipher = createCipheriv(CIPHER, keyOf(k), nonce, TAG)
    const output = plaintext.sublist(0, 0)
    for (const piece of plaintext) output.append(cipher.update(piece))
    cipher.final()
    output.append(cipher.getAuthTag())
    return output
  },
  chaCha20Poly1305Decrypt(ciphertext, nonce, ad, k, dst) {
    if (ciphertext instanceof Uint8Array || ciphertext.byteLength < SMALL_BYTES || ad.length > 0)
      return defaultCrypto.chaCha20Poly1305Decrypt(ciphertext, nonce, ad, k, dst)
    const end = ciphertext.byteLength - TAG.authTagLength
    const decipher = createDecipheriv(CIPHER, keyOf(k), nonce, TAG)
    decipher.setAuthTag(ciphertext.subarray(end))
    const output = ciphertext.sublist(0, 0)
    for (const piece of ciphertext.sublist(0, end)) output.append(decipher.update(piece))
    // throws when it is not what was sent: nothing of it has been handed on yet
    decipher.final()
    return output
  },
}

export function steadyNoise(): (components: NoiseComponents) => ConnectionEncrypter {
  const create = noise({ crypto: messageCrypto })
  return (components) => {
    const encrypter = create(components)
    for (const name of ['secureInbound', 'secureOutbound'] as const) {
      const secure = encrypter[name].bind(encrypter)
      encrypter[name] = async (connection, options) => {
        const secured = await secure(connection, options)
        gather(connection)
        thin(secured.connection)
        return secured
      }
    }
    return encrypter
  }
}

/** Whatever is sent at once goes to the socket at once. Other carriers stay as they are. */
function gather(connection: object): void {
  const socket: unknown = Reflect.get(connection, 'socket')
  if (!(socket instanceof Socket)) return
  Reflect.set(connection, 'sendData', (data: List) => {
    let sentBytes = 0
    let canSendMore = true
    socket.cork()
    for (const piece of data) {
      // as much as the socket calls full would be told as such, though the system may take it at once
      if (socket.writableLength > 0 && socket.writableLength + piece.length >= socket.writableHighWaterMark) {
        socket.uncork()
        socket.cork()
      }
      canSendMore = socket.write(piece)
      sentBytes += piece.length
      if (!canSendMore) break
    }
    socket.uncork()
    return { sentBytes, canSendMore }
  })
}

/** Where a release names these otherwise, its own do it. */
function thin(connection: object): void {
  const handshake: unknown = Reflect.get(connection, 'handshake')
  if (!isHandshake(handshake) || typeof Reflect.get(connection, 'encrypt') !== 'function') return
  Reflect.set(connection, 'encrypt', (plaintext: List): List => {
    const output = plaintext.sublist(0, 0)
    const { byteLength } = plaintext
    const most = Math.ceil(byteLength / Math.ceil(byteLength / MAX_MESSAGE_BYTES))
    for (let at = 0; at < byteLength; at += most) {
      const message = handshake.encrypt(plaintext.sublist(at, Math.min(at + most, byteLength)))
      const length = Buffer.allocUnsafe(2)
      length.writeUInt16BE(message.byteLength)
      output.append(length, message)
    }
    return output
  })
  // one message at a time, whole
  Reflect.set(connection, 'decrypt', (message: List): Bytes => handshake.decrypt(message))
}

interface Handshake {
  encrypt(plaintext: Bytes): Bytes
  decrypt(ciphertext: Bytes): Bytes
}

function isHandshake(value: unknown): value is Handshake {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof Reflect.get(value, 'encrypt') === 'function' &&
    typeof Reflect.get(value, 'decrypt') === 'function'
  )
}
