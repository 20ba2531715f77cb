import { describe, expect, test } from 'vitest'
import { copyArguments, type Engine, engineArguments, isCopy } from '../../../src/cluster/programs/ffmpeg-arguments.ts'
import { load } from '../../control/load.ts'

const INPUT = 'rtmp://127.0.0.1:1935/live?vhost=v/cam'
const OUTPUT = 'rtmp://127.0.0.1:1935/live/cam_ff'

/** An engine as the configuration gives it. */
function engine(directives: string): Engine {
  const config = load(`listen 1935; vhost v { transcode { enabled on; engine ff { enabled on; ${directives} } } }`)
  const found = config.vhosts.get('v')?.transcode[0]?.engine[0]
  if (!found) throw new Error('no engine')
  return found
}

const words = (directives: string, before: string[] = [], input = INPUT): string =>
  engineArguments(before, engine(directives), input, OUTPUT).join(' ')

describe('the command line of ffmpeg', () => {
  test('has the arguments of an engine in the order of SRS', () => {
    const all = `perfile { re; rtsp_transport tcp; } iformat flv; vfilter { i ./logo.png; filter_complex 'overlay=10:10'; }
      vcodec libx264; vbitrate 1500; vfps 25; vwidth 769; vheight 321; vthreads 12; vprofile main; vpreset medium;
      vparams { t 100; coder 1; } acodec aac; abitrate 70; asample_rate 44100; achannels 2;
      aparams { profile:a aac_low; } oformat flv; output x;`
    expect(words(all, ['-loglevel', 'info'])).toBe(
      `-loglevel info -re -rtsp_transport tcp -f flv -i ${INPUT} -i ./logo.png -filter_complex overlay=10:10 ` +
        '-vcodec libx264 -b:v 1500000 -r 25.00 -s 768x320 -aspect 768:320 -threads 12 -profile:v main -preset medium ' +
        '-t 100 -coder 1 -acodec aac -b:a 70000 -ar 44100 -ac 2 -profile:a aac_low ' +
        `-f flv -y ${OUTPUT}`,
    )
  })

  test('does not touch what is copied', () => {
    const copied = 'vcodec copy; vbitrate 500; vparams { g 9; } acodec copy; abitrate 9; aparams { ar 8000; }'
    expect(words(copied)).toBe(`-f flv -i ${INPUT} -vcodec copy -acodec copy -f flv -y ${OUTPUT}`)
    const filtered = 'vcodec copy; acodec copy; aparams { bsf:a aac_adtstoasc; }'
    expect(words(filtered)).toContain('-acodec copy -bsf:a aac_adtstoasc -f')
  })

  test('leaves out pictures or sound', () => {
    expect(words('vcodec vn; acodec copy;')).toContain('-vn -acodec copy')
    expect(words('vcodec copy; acodec an;')).toContain('-vcodec copy -an')
  })

  test('names the format of the input only for our own streams, and none that is off', () => {
    const plain = 'vcodec copy; acodec copy;'
    expect(words(plain, [], 'rtsp://camera/1')).toMatch(/^-i rtsp:/)
    expect(words(`${plain} iformat off; oformat off;`)).toBe(`-i ${INPUT} -vcodec copy -acodec copy -y ${OUTPUT}`)
  })

  test('of an ingest that is off is a copy', () => {
    expect(copyArguments(['-loglevel', 'info', '-re'], 'a.flv', OUTPUT).join(' ')).toBe(
      `-loglevel info -re -i a.flv -vcodec copy -acodec copy -f flv -y ${OUTPUT}`,
    )
    expect(isCopy(engine('vcodec copy; acodec copy;'))).toBe(false)
    expect(isCopy(engine('vcodec copy;'))).toBe(true)
  })
})
