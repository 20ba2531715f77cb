import { describe, expect, test } from 'vitest'
import { avcParameterSets, hevcParameterSets } from '../../src/codec/parameter-sets.ts'
import { videoSamples } from './samples.ts'

const hex = (text: string): Buffer => Buffer.from(text, 'hex')

describe('parameter sets of what encoders wrote', () => {
  test.each(videoSamples.filter(({ codec }) => codec === 'avc1'))('$encoder', ({ header }) => {
    const { lengthBytes, nalus } = avcParameterSets(hex(header))
    expect(lengthBytes).toBe(4)
    expect(nalus.map(([first = 0]) => first & 0x1f)).toEqual([7, 8])
  })

  test.each(videoSamples.filter(({ codec }) => codec === 'hvc1'))('$encoder', ({ header }) => {
    const { lengthBytes, nalus } = hevcParameterSets(hex(header))
    expect(lengthBytes).toBe(4)
    expect(nalus.map(([first = 0]) => (first >> 1) & 0x3f)).toEqual([32, 33, 34])
  })
})

describe('AVC', () => {
  test.each([
    ['two of each', '0164001ffee2 0002 6701 0002 6702 02 0001 68 0002 6803', 3, ['6701', '6702', '68', '6803']],
    ['none, with both counts', '0164001ffce0 00', 1, []],
    ['none, ending before the second count', '0164001fffe0', 4, []],
    ['empty ones are left out', '0164001fffe1 0000 01 0001 68', 4, ['68']],
    ['what the high profiles add is not read', '0164001fffe1 0001 67 01 0001 68 fdf8f800', 4, ['67', '68']],
  ])('%s', (_name, record, lengthBytes, nalus) => {
    const sets = avcParameterSets(hex(record.replaceAll(' ', '')))
    expect(sets.lengthBytes).toBe(lengthBytes)
    expect(sets.nalus.map((nalu) => nalu.toString('hex'))).toEqual(nalus)
  })

  test.each(['', '0164001fff', '0164001fffe1', '0164001fffe10005', '0164001fffe1000167010002'])(
    'cut short: %s',
    (record) => {
      expect(() => avcParameterSets(hex(record))).toThrow(expect.objectContaining({ code: 'avc_short_config' }))
    },
  )
})

describe('HEVC', () => {
  const head = `01${'00'.repeat(20)}`

  test('arrays in any order come out in the order in which they must be sent; SEI is left out', () => {
    const arrays = '04 a2 0001 0001 44 a7 0001 0002 4e01 a1 0002 0001 42 0001 43 20 0001 0001 40'
    const { nalus } = hevcParameterSets(hex(`${head}03${arrays.replaceAll(' ', '')}`))
    expect(nalus.map((nalu) => nalu.toString('hex'))).toEqual(['40', '42', '43', '44'])
  })

  test.each(['', head, `${head}0301`, `${head}0301a0`, `${head}0301a00001`, `${head}0301a000010004aa`])(
    'cut short: %s',
    (record) => {
      expect(() => hevcParameterSets(hex(record))).toThrow(expect.objectContaining({ code: 'hevc_short_config' }))
    },
  )
})
