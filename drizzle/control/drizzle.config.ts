import { defineConfig } from 'drizzle-kit';

export default defineConfig({
  dialect: 'sqlite',
  schema: './control/schema.ts',
  out: './control/migrations',
  breakpoints: true,
});
