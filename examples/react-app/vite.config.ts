import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const { PORT = '3000' } = process.env;

export default defineConfig({
  plugins: [react()],
  // `npm run dev` serves the page, and asks the backend (server.js) for /api.
  server: { host: 'localhost', proxy: { '/api': `http://localhost:${PORT}` } },
});
