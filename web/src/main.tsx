// Starts the console: styles, shortcuts, the streams everything else reads from, and the page.
import { render } from 'preact';
import { App } from './app.tsx';
import { listen_for_shortcuts } from './keys.ts';
import { follow_alerts } from './live/alerts.ts';
import { follow_pipeline } from './live/pipeline.ts';
import { follow_views } from './live/views.ts';
import './styles/tokens.css';
import './styles/frame.css';
import './styles/parts.css';
import './styles/pages.css';

const root = document.getElementById('app');
if (!root) throw new Error('index.html has no #app');
listen_for_shortcuts();
follow_pipeline();
follow_views();
follow_alerts();
render(<App />, root);
