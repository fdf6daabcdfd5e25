import { defineConfig } from 'drizzle-kit';

export default defineConfig({
  dialect: 'sqlite',
  schema: './record/schema.ts',
  out: './record/migrations',
  breakpoints: true,
});
