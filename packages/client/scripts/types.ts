/** The client's types out of the OpenAPI document: what `src/generated/schema.ts` must hold. */
import openapiTS, { astToString, type OpenAPI3 } from 'openapi-typescript'

export async function typesOf(document: unknown): Promise<string> {
  const nodes = await openapiTS(document as OpenAPI3, { alphabetize: false, immutable: false })
  return `/** Made from openapi.json by \`npm run generate\`; do not edit. */\n${astToString(nodes)}`
}
