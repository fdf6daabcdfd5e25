import { getEntry } from 'astro:content';
import type { APIRoute } from 'astro';
import { groupsOf, llmsText } from '../../pages.ts';

export const GET: APIRoute = async () => {
  const index = await getEntry('docs', 'index');
  return new Response(llmsText(groupsOf(index?.body ?? ''), import.meta.env.BASE_URL));
};
