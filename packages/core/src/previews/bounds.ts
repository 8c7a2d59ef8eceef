/** What of a picture is looked at, and for how long. Read by the node and by the process that makes previews alike. */

/** Bytes of a file. */
export const PICTURE_MAX = 64 * 1024 * 1024
/** Width times height, which bounds the memory of decoding, whatever the file's size. */
export const PIXELS_MAX = 50_000_000
/** Longest side of a preview, pixels. */
export const PREVIEW_SIDE = 320
/** From the first byte handed over to the last one got back. */
export const MAKE_MS = 5000
/** A process that has not loaded its decoders by then never will. */
export const START_MS = 15_000
/** An upload waits so long for those before it, and then goes without. */
export const TURN_MS = 30_000
/** A process without a picture for so long is ended. */
export const IDLE_MS = 30_000
