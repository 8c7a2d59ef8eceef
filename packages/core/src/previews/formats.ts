/** Which files are pictures, by their first bytes: a name says what somebody wishes, and so does a media type. */

export type PictureFormat = 'jpeg' | 'png' | 'webp' | 'gif'

/** As many first bytes as `pictureFormat` wants to see. */
export const HEAD_BYTES = 12

const START: readonly (readonly [PictureFormat, readonly (number | null)[]])[] = [
  ['jpeg', [0xff, 0xd8, 0xff]],
  ['png', [0x89, ...letters('PNG'), 0x0d, 0x0a, 0x1a, 0x0a]],
  ['webp', [...letters('RIFF'), null, null, null, null, ...letters('WEBP')]],
  ['gif', letters('GIF87a')],
  ['gif', letters('GIF89a')],
]

/** @returns null for everything else, also for what could be decoded: SVG and PDF name other files, TIFF is ten formats */
export function pictureFormat(head: Uint8Array): PictureFormat | null {
  const found = START.find(([, start]) => start.every((byte, at) => byte === null || head[at] === byte))
  // a byte that is not there is equal to none, but a gap has to be there as well
  return found !== undefined && head.length >= found[1].length ? found[0] : null
}

function letters(text: string): number[] {
  return [...text].map((letter) => letter.charCodeAt(0))
}
