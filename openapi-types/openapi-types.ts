import openapiTS, { astToString } from 'openapi-typescript';

/**
 * TypeScript of an OpenAPI 3.1 document: `paths`, as `openapi-fetch` takes it, and a type of each schema by its name. A member
 * with a default may be left out of a request.
 */
export const openApiTypes = async (document: object): Promise<string> =>
  astToString(
    await openapiTS(JSON.stringify(document), {
      defaultNonNullable: false,
      immutable: true,
      rootTypes: true,
      rootTypesNoSchemaPrefix: true,
    }),
  );
