import { html, nothing, type TemplateResult } from 'lit';
import type { Contents, User } from './api';
import { day, size } from './format';

export interface State {
  user: User | null;
  contents: Contents | null;
  error: string | null;
  busy: boolean;
}

export interface Actions {
  login(email: string, password: string): void;
  logout(): void;
  open(folderId: string | null): void;
  createFolder(name: string): void;
  deleteFolder(id: string): void;
  upload(files: Iterable<File>): void;
  downloadUrl(id: string): string;
}

export function page(state: State, actions: Actions): TemplateResult {
  return html`
    <header>
      <h1>RustShare</h1>
      ${state.user
        ? html`<span>${state.user.email}</span>
            <button @click=${actions.logout}>Log out</button>`
        : nothing}
    </header>
    ${state.error ? html`<p class="error" role="alert">${state.error}</p>` : nothing}
    ${state.user ? browser(state, actions) : loginForm(state, actions)}
  `;
}

function loginForm(state: State, actions: Actions): TemplateResult {
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.target as HTMLFormElement);
    actions.login(String(form.get('email')), String(form.get('password')));
  };
  return html`
    <form class="login" @submit=${submit}>
      <label>E-mail <input name="email" type="text" autocomplete="username" required /></label>
      <label>
        Password
        <input name="password" type="password" autocomplete="current-password" required />
      </label>
      <button ?disabled=${state.busy}>Log in</button>
    </form>
  `;
}

function browser(state: State, actions: Actions): TemplateResult | typeof nothing {
  const { contents } = state;
  if (!contents) return nothing;
  const create = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.target as HTMLFormElement;
    actions.createFolder(String(new FormData(form).get('name')));
    form.reset();
  };
  const pick = (event: Event) => {
    const input = event.target as HTMLInputElement;
    actions.upload(Array.from(input.files ?? []));
    input.value = '';
  };
  return html`
    <nav>
      <button
        ?disabled=${!contents.folder}
        @click=${() => actions.open(contents.folder?.parent_folder_id ?? null)}
      >
        Up
      </button>
      <strong>${contents.folder?.name ?? 'Home'}</strong>
      <form @submit=${create}>
        <input name="name" placeholder="New folder" maxlength="255" required />
        <button ?disabled=${state.busy}>Create</button>
      </form>
      <label class="upload">
        Upload <input type="file" multiple ?disabled=${state.busy} @change=${pick} />
      </label>
    </nav>
    <table>
      <tbody>
        ${contents.folders.map(
          (folder) => html`
            <tr>
              <td><button class="link" @click=${() => actions.open(folder.id)}>${folder.name}/</button></td>
              <td></td>
              <td></td>
              <td><button @click=${() => actions.deleteFolder(folder.id)}>Delete</button></td>
            </tr>
          `,
        )}
        ${contents.files.map(
          (file) => html`
            <tr>
              <td><a href=${actions.downloadUrl(file.id)} download=${file.name}>${file.name}</a></td>
              <td>${size(file.size)}</td>
              <td>${day(file.created_at)}</td>
              <td></td>
            </tr>
          `,
        )}
      </tbody>
    </table>
  `;
}
