import starlight from '@astrojs/starlight';
import { defineConfig } from 'astro/config';
import { groupsOf, REPOSITORY, readIndex } from './pages.ts';

/** `npm run site`: the documentation as files for any host. `SITE_BASE` is the path below which they are served. */
export default defineConfig({
  base: process.env.SITE_BASE ?? '/',
  outDir: './dist',
  // Nothing here uses pictures of other formats.
  image: { service: { entrypoint: 'astro/assets/services/noop' } },
  integrations: [
    starlight({
      title: 'Agent ticket broker',
      description: 'Tickets for WebSockets to Cloudflare Agents.',
      social: [{ icon: 'github', label: 'Repository', href: REPOSITORY }],
      customCss: ['./src/site.css'],
      credits: false,
      lastUpdated: false,
      disable404Route: false,
      sidebar: groupsOf(await readIndex()).map(({ label, entries }) => ({
        label,
        items: entries.map((entry) => ({ label: entry.label, slug: entry.id })),
      })),
    }),
  ],
});
