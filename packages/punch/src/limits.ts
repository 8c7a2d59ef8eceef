/** Every bound of a punch, in one place. Spec: docs/specs/punch.md. */

/** Largest message, and largest answer of an observer. */
export const MAX_MESSAGE_BYTES = 1024
/** Messages that one conversation takes. */
export const MAX_MESSAGES = 6
/** Addresses of its own that a peer may name, and how many of them are dialled. */
export const MAX_CANDIDATES = 8
export const MAX_DIALS = 4

/** A whole conversation; waiting for one message; from the start of opening to a connection that stands (ms). */
export const CONVERSATION_MS = 12_000
export const MESSAGE_MS = 5_000
export const OPEN_MS = 4_000
/** A round trip longer than this is not waited for (ms). */
export const MAX_ROUND_TRIP_MS = 2_000
/** Behind one public address the LAN goes first, by so much (ms). */
export const LAN_FIRST_MS = 500

/** Connects of one simultaneous open, and the pause between two (ms). */
export const MAX_CONNECTS = 12
export const PAUSE_MIN_MS = 30
export const PAUSE_MAX_MS = 100

/** Conversations that one peer may begin, and all peers together, in `MINUTE_MS`; and how many there are at a time. */
export const BEGUN_BY_PEER = 18
/** The same of bare sockets beside a direct connection: each file takes one. */
export const SOCKETS_BY_PEER = 60
export const BEGUN_BY_ALL = 240
export const MAX_CONVERSATIONS = 32
export const MINUTE_MS = 60_000

/** UDP begins so much later than the other ways (ms): TCP costs less for what is large. */
export const UDP_LATER_MS = 200
/** Then the other side dials (ms): a QUIC handshake is one round trip, and repeated after a second. */
export const UDP_TURN_MS = 1_600
/** Packets of one byte that open a hole. */
export const HOLE_PACKETS = 3
/** A connection that the other side has opened shows here within this time (ms). */
export const APPEARS_MS = 1_000
/** A question over UDP is asked again after this, so often (ms). */
export const ASK_AGAIN_MS = 250
export const UDP_QUESTIONS = 4
/** Of a question over UDP; no answer is longer. */
export const QUESTION_BYTES = 192

/** A statement about an address is worth nothing when it is older, or further ahead, than this (ms). */
export const STATEMENT_MS = 10 * 60_000
/** Asking one observer (ms). */
export const OBSERVE_MS = 2_500
/** How many observers are asked, one after the other. */
export const MAX_OBSERVERS = 3

/** A token that nobody came with is void after this (ms). */
export const TOKEN_MS = 10_000
/** An observer keeps an answered socket open, since that holds the mapping (ms). */
export const KEEP_MS = 15_000
/** For the token on a socket that has begun to ask (ms). */
export const ASK_MS = 2_000
/** Open tokens, of one peer and in all: whoever comes back to a network punches to many at once. */
export const TOKENS_OF_PEER = 64
export const MAX_TOKENS = 2_048
/** Sockets that hold mappings, of one peer and in all. */
export const SOCKETS_OF_PEER = 32
export const MAX_SOCKETS = 512
/** Where a connection of ours is seen is not asked again for so long (ms). */
export const SEEN_MS = 5_000
