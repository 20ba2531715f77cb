import { describe, expect, test } from 'vitest'
import { describeAudio, describeVideo } from '../../src/codec/describe.ts'
import { audioSamples, videoSamples } from './samples.ts'

const hex = (text: string): Buffer => Buffer.from(text, 'hex')

describe('describeVideo', () => {
  test.each(videoSamples)('$encoder: as ffprobe says', ({ codec, header, keyFrame, expected }) => {
    const config = header === '' ? null : hex(header)
    expect(describeVideo(codec, config, keyFrame === undefined ? null : hex(keyFrame))).toEqual(expected)
  })

  test('AV1 has its size in the header already', () => {
    const sample = videoSamples.find(({ codec }) => codec === 'av01')
    expect(describeVideo('av01', hex(sample?.header ?? ''))).toEqual(sample?.expected)
  })

  test.each(['avc1', 'hvc1', 'av01', 'vp09', 'vp08', 'vvc1', 'h263'])('%s without a readable header', (codec) => {
    const unknown = { profile: '', level: '', width: 0, height: 0 }
    expect(describeVideo(codec, null)).toMatchObject(unknown)
    expect(describeVideo(codec, Buffer.alloc(0), Buffer.alloc(0))).toMatchObject(unknown)
    expect(describeVideo(codec, Buffer.from([1, 2]), Buffer.from([0]))).toMatchObject(unknown)
  })

  test('an unknown codec keeps its name', () => {
    expect(describeVideo('zzzz', hex('00'))).toEqual({ codec: 'zzzz', profile: '', level: '', width: 0, height: 0 })
  })
})

describe('describeAudio', () => {
  test.each(audioSamples)('$encoder: as ffprobe says', ({ codec, header, expected }) => {
    expect(describeAudio(codec, hex(header))).toEqual(expected)
  })

  test('what the bytes do not tell comes from the container', () => {
    const container = { sampleRate: 44_100, channels: 2 }
    expect(describeAudio('mp4a', null, container)).toMatchObject(container)
    expect(describeAudio('speex', null, container)).toEqual({ codec: 'SPEEX', profile: '', ...container })
    // LC at 48 kHz with channel configuration 0 and no room for a program config element.
    expect(describeAudio('mp4a', hex('1180'), container)).toMatchObject(container)
  })

  test('an unknown codec keeps its name', () => {
    expect(describeAudio('zzzz', hex('00'))).toEqual({ codec: 'zzzz', sampleRate: 0, channels: 0, profile: '' })
  })
})
