import { describe, expect, it } from 'vitest';
import { Api, ApiError } from './api';

interface Call {
  url: string;
  init: RequestInit;
}

function apiAnswering(status: number, body: string, csrf = 'token') {
  const calls: Call[] = [];
  const fetcher = (async (url: string, init: RequestInit) => {
    calls.push({ url, init });
    return new Response(status === 204 ? null : body, { status });
  }) as typeof fetch;
  return { api: new Api(() => csrf, fetcher), calls };
}

/** Older versions of Node have File, but not under that name. */
function fileNamed(name: string): File {
  const form = new FormData();
  form.append('file', new Blob(['hello']), name);
  return form.get('file') as File;
}

const header = (call: Call | undefined, name: string) => new Headers(call?.init.headers).get(name);

describe('requests', () => {
  it('repeat the CSRF token when they change something', async () => {
    const { api, calls } = apiAnswering(201, '{"id":"f1","name":"a","parent_folder_id":null}');
    expect((await api.createFolder('a', null)).id).toBe('f1');
    expect(calls[0]?.url).toBe('/api/v1/folders');
    expect(header(calls[0], 'X-Rustshare-Csrf')).toBe('token');
    expect(calls[0]?.init.body).toBe('{"name":"a","parent_folder_id":null}');
  });

  it('do not send it when they only read', async () => {
    const { api, calls } = apiAnswering(200, '{"folder":null,"folders":[],"files":[]}');
    await api.contents(null);
    expect(calls[0]?.url).toBe('/api/v1/folders/root/contents');
    expect(header(calls[0], 'X-Rustshare-Csrf')).toBeNull();
  });

  it('leave the type of a form to the browser', async () => {
    const { api, calls } = apiAnswering(201, '{"id":"x"}');
    await api.upload(fileNamed('hello.txt'), 'f1');
    const form = calls[0]?.init.body as FormData;
    expect(form.get('parent_folder_id')).toBe('f1');
    expect((form.get('file') as File).name).toBe('hello.txt');
    expect(header(calls[0], 'Content-Type')).toBeNull();
  });

  it('quote ids in paths', () => {
    expect(apiAnswering(200, '').api.downloadUrl('a/b')).toBe('/api/v1/files/a%2Fb/download');
  });
});

describe('answers', () => {
  it('without a body are fine', async () => {
    await expect(apiAnswering(204, '').api.deleteFolder('f1')).resolves.toBeUndefined();
  });

  it('without a session are no error to me()', async () => {
    await expect(apiAnswering(401, '{"error":"not logged in"}').api.me()).resolves.toBeNull();
  });

  it('carry the reason of a refusal', async () => {
    const refused = apiAnswering(403, '{"error":"no"}').api.logout();
    await expect(refused).rejects.toMatchObject({ status: 403, message: 'no' });
    const gateway = apiAnswering(502, '<html>').api.logout();
    await expect(gateway).rejects.toBeInstanceOf(ApiError);
    await expect(apiAnswering(502, '<html>').api.me()).rejects.toThrow('502');
  });
});
