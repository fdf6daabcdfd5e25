import { defineCollection } from 'astro:content';
import { docsSchema } from '@astrojs/starlight/schema';
import { REPOSITORY, readPages } from '../pages.ts';

export const collections = {
  docs: defineCollection({
    schema: docsSchema(),
    loader: {
      name: 'docs-of-the-repository',
      async load({ store, parseData, renderMarkdown, generateDigest }) {
        store.clear();
        for (const { id, path, title, description, markdown, page } of await readPages(
          import.meta.env.BASE_URL,
        )) {
          const fields = { title, description, editUrl: `${REPOSITORY}/edit/main/${path}` };
          const data = await parseData({ id, data: fields });
          const rendered = await renderMarkdown(page);
          // A table that is wider than a phone can be scrolled, also by the keyboard.
          rendered.html = rendered.html.replaceAll('<table>', '<table tabindex="0">');
          store.set({ id, data, body: markdown, rendered, digest: generateDigest(page) });
        }
      },
    },
  }),
};
