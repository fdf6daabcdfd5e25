import { getCollection } from 'astro:content';
import type { APIRoute } from 'astro';

/** The Markdown of each page beside it, as it is in the repository. */
export const getStaticPaths = async () =>
  (await getCollection('docs')).map(({ id, body }) => ({ params: { page: id }, props: { body } }));

export const GET: APIRoute<{ body: string }> = ({ props }) => new Response(props.body);
