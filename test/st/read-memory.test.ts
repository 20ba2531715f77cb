import { describe, expect, test } from 'vitest'
import { ReadMemory } from '../../src/st/real/read-memory.ts'

const KILOBYTE = 1024

/** One from which something has been given back already. */
function usedAgain(): ReadMemory {
  const memory = new ReadMemory()
  memory.giveBack(Buffer.alloc(0))
  return memory
}

describe('memory of reads', () => {
  test('is exactly as much as was read while nobody gives any back', () => {
    expect(new ReadMemory().take(20 * KILOBYTE).buffer.byteLength).toBe(20 * KILOBYTE)
  })

  test('that was given back serves the next read of its size', () => {
    const memory = usedAgain()
    const first = memory.take(15 * KILOBYTE)
    memory.giveBack(first)
    const second = memory.take(16 * KILOBYTE)
    expect(second.buffer).toBe(first.buffer)
    expect(second).toHaveLength(16 * KILOBYTE)
    expect(memory.take(16 * KILOBYTE).buffer).not.toBe(first.buffer)
  })

  test('is never two reads at once, whatever is given back', () => {
    const memory = usedAgain()
    const held = new Set<ArrayBufferLike>()
    for (let index = 0; index < 500; index++) {
      const bytes = memory.take((index * 7919) % (64 * KILOBYTE) || 1)
      if (bytes.length <= 4 * KILOBYTE) continue
      expect(held.has(bytes.buffer)).toBe(false)
      held.add(bytes.buffer)
      if (index % 3 > 0) continue
      memory.giveBack(bytes)
      held.delete(bytes.buffer)
    }
  })

  test('is not taken back in parts, nor when others may share it', () => {
    const memory = usedAgain()
    const whole = memory.take(15 * KILOBYTE)
    memory.giveBack(whole.subarray(1))
    expect(memory.take(15 * KILOBYTE).buffer).not.toBe(whole.buffer)
    const shared = memory.take(100)
    memory.giveBack(shared)
    expect(memory.take(8 * KILOBYTE).buffer).not.toBe(shared.buffer)
  })

  test('is kept up to a limit', () => {
    const memory = usedAgain()
    const reads = Array.from({ length: 300 }, () => memory.take(64 * KILOBYTE))
    for (const bytes of reads) memory.giveBack(bytes)
    const given = new Set(reads.map(({ buffer }) => buffer))
    const again = reads.map(() => memory.take(64 * KILOBYTE)).filter(({ buffer }) => given.has(buffer))
    expect(again.length).toBeLessThanOrEqual(128)
    expect(again.length).toBeGreaterThan(100)
  })
})
