import { getCollection } from 'astro:content';
import type { APIRoute } from 'astro';

/** The Markdown of each page beside it, as it is in the repository. */
export const getStaticPaths = async () => {
  const pages: readonly { readonly id: string; readonly body?: string }[] = await getCollection('docs');
  return pages.map(({ id, body = '' }) => ({ params: { page: id }, props: { body } }));
};

export const GET: APIRoute<{ body: string }> = ({ props }) => new Response(props.body);
