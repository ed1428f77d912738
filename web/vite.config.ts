// The console is built to web/dist: one page, hashed assets, nothing inlined, so that it runs under `default-src 'self'`.
import { defineConfig } from 'vite';

const engine = process.env.HEADRACE_ENGINE ?? 'http://127.0.0.1:8480';

export default defineConfig({
  base: './',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 600,
    rolldownOptions: {
      output: {
        entryFileNames: 'assets/[name]-[hash].js',
        chunkFileNames: 'assets/[name]-[hash].js',
        assetFileNames: 'assets/[name]-[hash][extname]',
      },
    },
  },
  server: {
    host: '127.0.0.1',
    proxy: { '/v1': { target: engine, changeOrigin: true } },
  },
});
