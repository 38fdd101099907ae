import { expect, it } from 'vitest';
import { day, size } from './format';

it('writes sizes for people', () => {
  expect(size(0)).toBe('0 B');
  expect(size(1536)).toBe('1.5 KiB');
});

it('writes days', () => {
  expect(day('2026-01-15T23:59:59Z')).toBe('2026-01-15');
});
