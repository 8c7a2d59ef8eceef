/** Prints the OpenAPI document: `node packages/api/scripts/document.ts > packages/client/src/generated/openapi.json`. */
import { buildDocument } from '../src/server.ts'

process.stdout.write(`${JSON.stringify(await buildDocument(), null, 2)}\n`)
