export { createPreviewMaker, type Picture, type PreviewMaker } from './maker.ts'
