import { defineConfig } from 'vitest/config';

export default defineConfig({
  build: {
    outDir: 'build',
    emptyOutDir: true,
    // Nothing of the machine that builds goes into the output: no source maps,
    // and file names that depend on content alone.
    sourcemap: false,
  },
  server: {
    proxy: { '/api': 'http://127.0.0.1:8080' },
  },
  test: {
    include: ['src/**/*.test.ts'],
  },
});
