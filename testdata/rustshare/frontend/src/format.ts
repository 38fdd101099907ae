import prettyBytes from 'pretty-bytes';

export function size(bytes: number): string {
  return prettyBytes(bytes, { binary: true });
}

/** A time stamp of the API as a day, the same in every time zone. */
export function day(timestamp: string): string {
  return timestamp.slice(0, 10);
}
