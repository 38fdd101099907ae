import Cookies from 'js-cookie';
import { render } from 'lit';
import { Api, ApiError } from './api';
import { page, type Actions, type State } from './views';

const root = document.querySelector<HTMLElement>('#app')!;
const api = new Api(() => Cookies.get('rustshare_csrf_token'));
const state: State = { user: null, contents: null, error: null, busy: false };

const here = () => state.contents?.folder?.id ?? null;

async function show(folderId: string | null): Promise<void> {
  state.contents = await api.contents(folderId);
}

/** Runs one thing the user asked for and shows what came of it. */
async function run(step: () => Promise<void>): Promise<void> {
  state.busy = true;
  state.error = null;
  draw();
  try {
    await step();
  } catch (error) {
    // The session ran out: back to the login form, with the reason.
    if (error instanceof ApiError && error.status === 401) state.user = null;
    state.error = error instanceof Error ? error.message : String(error);
  }
  state.busy = false;
  draw();
}

const actions: Actions = {
  login: (email, password) =>
    void run(async () => {
      state.user = await api.login(email, password);
      await show(null);
    }),
  logout: () =>
    void run(async () => {
      await api.logout();
      state.user = null;
      state.contents = null;
    }),
  open: (folderId) => void run(() => show(folderId)),
  createFolder: (name) =>
    void run(async () => {
      await api.createFolder(name, here());
      await show(here());
    }),
  deleteFolder: (id) =>
    void run(async () => {
      await api.deleteFolder(id);
      await show(here());
    }),
  upload: (files) =>
    void run(async () => {
      for (const file of files) await api.upload(file, here());
      await show(here());
    }),
  downloadUrl: (id) => api.downloadUrl(id),
};

function draw(): void {
  render(page(state, actions), root);
}

void run(async () => {
  state.user = await api.me();
  if (state.user) await show(null);
});
