/** The server's API under /api/v1, with the CSRF token repeated where it must be. */

export interface User {
  id: string;
  email: string;
  role: 'admin' | 'viewer';
}

export interface Folder {
  id: string;
  name: string;
  parent_folder_id: string | null;
}

export interface StoredFile {
  id: string;
  name: string;
  size: number;
  content_type: string;
  created_at: string;
}

export interface Contents {
  folder: Folder | null;
  folders: Folder[];
  files: StoredFile[];
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export class Api {
  constructor(
    /** The value of the cookie rustshare_csrf_token, as it is now. */
    private readonly csrfToken: () => string | undefined,
    private readonly fetcher: typeof fetch = (...args) => fetch(...args),
    private readonly base = '/api/v1',
  ) {}

  async login(email: string, password: string): Promise<User> {
    const answer = await this.send<{ user: User }>('POST', '/auth/login', { email, password });
    return answer.user;
  }

  logout(): Promise<unknown> {
    return this.send('POST', '/auth/logout', {});
  }

  /** The user of this browser's session, or null when there is none. */
  async me(): Promise<User | null> {
    try {
      return await this.send<User>('GET', '/me');
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return null;
      throw error;
    }
  }

  contents(folderId: string | null): Promise<Contents> {
    return this.send('GET', `/folders/${encodeURIComponent(folderId ?? 'root')}/contents`);
  }

  createFolder(name: string, parentFolderId: string | null): Promise<Folder> {
    return this.send('POST', '/folders', { name, parent_folder_id: parentFolderId });
  }

  deleteFolder(id: string): Promise<unknown> {
    return this.send('DELETE', `/folders/${encodeURIComponent(id)}`);
  }

  upload(file: File, parentFolderId: string | null): Promise<StoredFile> {
    const form = new FormData();
    form.append('name', file.name);
    form.append('parent_folder_id', parentFolderId ?? '');
    form.append('file', file);
    return this.send('POST', '/files/upload', form);
  }

  downloadUrl(id: string): string {
    return `${this.base}/files/${encodeURIComponent(id)}/download`;
  }

  private async send<T>(method: string, path: string, body?: object): Promise<T> {
    const headers: Record<string, string> = { Accept: 'application/json' };
    if (method !== 'GET') headers['X-Rustshare-Csrf'] = this.csrfToken() ?? '';
    let payload: BodyInit | undefined;
    if (body instanceof FormData) {
      payload = body;
    } else if (body !== undefined) {
      headers['Content-Type'] = 'application/json';
      payload = JSON.stringify(body);
    }
    const response = await this.fetcher(this.base + path, {
      method,
      headers,
      body: payload,
      credentials: 'same-origin',
    });
    const text = await response.text();
    if (!response.ok) throw new ApiError(response.status, messageOf(text, response.status));
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }
}

/** The server's own words where it has some; a proxy in between has none. */
function messageOf(text: string, status: number): string {
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    if (typeof error === 'string') return error;
  } catch {
    // Not JSON.
  }
  return `the server answered ${status}`;
}
