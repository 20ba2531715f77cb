import { type Browser, chromium, type Page } from 'playwright-core'
import { DECODED_LIST } from '../e2e/support/clips.ts'
import { parseFrames } from '../e2e/support/frames.ts'
import type { StartTool, Tool } from '../e2e/support/tool.ts'
import type { Film } from './film.ts'

const FLAGS = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-sync']

/** It is closed when the tool closes it, whatever signal that gets. */
const ALIVE = { handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false }

/** What hls.js complained of. */
export interface PlayerError {
  readonly atMs: number
  readonly fatal: boolean
  readonly what: string
}

/** As player.js notes it. */
export interface HlsJsState {
  readonly seconds: number
  readonly freezes: readonly { readonly fromMs: number; readonly ms: number }[]
  readonly jumps: readonly { readonly atMs: number; readonly ms: number }[]
  readonly errors: readonly PlayerError[]
  /** When somebody had to press "live". */
  readonly seeks: readonly number[]
}

/** hls.js in Chromium. */
export class HlsJsPlayer {
  readonly #browser: Browser
  readonly #page: Page

  private constructor(browser: Browser, page: Page) {
    this.#browser = browser
    this.#page = page
  }

  static async open(): Promise<HlsJsPlayer> {
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: FLAGS, ...ALIVE })
    return new HlsJsPlayer(browser, await browser.newPage())
  }

  /** @param page the address of player.html */
  async play(page: string, url: string): Promise<void> {
    await this.#page.goto(page)
    await this.#page.evaluate(`play(${JSON.stringify(url)})`)
  }

  state(): Promise<HlsJsState> {
    return this.#page.evaluate('state()')
  }

  close(): Promise<void> {
    return this.#browser.close()
  }
}

/** A place in the film where what came was not the next picture. */
export interface Gap {
  readonly atMs: number
  readonly lost: number
  readonly repeated: number
  /** The pictures before and behind it. */
  readonly last: number
  readonly next: number
}

/** ffmpeg, which tells of every picture that it decodes which one of the film it is. */
export class FfmpegPlayer {
  readonly #start: StartTool
  readonly #film: Film
  readonly #url: string
  readonly #numbers = new Map<string, number>()
  readonly gaps: Gap[] = []
  /** Pictures that are none of the film's, when they came. */
  readonly broken: number[] = []
  /** When it ended by itself, and what it said. */
  readonly ends: { readonly atMs: number; readonly what: string }[] = []
  #tool: Tool | null = null
  #read = 0
  #last = -1
  /** It has begun anew, a few segments back. */
  #isFresh = true
  pictures = 0

  constructor(start: StartTool, film: Film, url: string) {
    this.#start = start
    this.#film = film
    this.#url = url
    for (const [number, crc] of film.pictures.entries()) this.#numbers.set(crc, number)
  }

  /** Takes what has come; starts it when it does not run. To be called often. */
  look(): void {
    if (!this.#tool) this.#open()
    const tool = this.#tool
    if (!tool) return
    const text = tool.lines
    const head = text.slice(0, text.search(/^[^#]/m))
    for (const { crc } of parseFrames(head + text.slice(Math.max(this.#read, head.length))).video) this.#picture(crc)
    this.#read = text.length
    if (!tool.isOver) return
    this.ends.push({ atMs: Date.now(), what: tool.stderr.slice(-300) })
    this.#tool = null
  }

  #open(): void {
    this.#tool = this.#start('ffmpeg', ['-v', 'error', '-i', this.#url, ...DECODED_LIST, '-flush_packets', '1', '-'])
    this.#read = 0
    this.#isFresh = true
  }

  #picture(crc: string): void {
    const number = this.#numbers.get(crc)
    this.pictures++
    if (number === undefined) {
      this.broken.push(Date.now())
      return
    }
    const count = this.#film.pictures.length
    const next = (this.#last + 1) % count
    if (this.#last >= 0 && this.#film.pictures[next] !== crc) this.#gap(number, (number - next + count) % count)
    this.#last = this.#film.pictures[next] === crc ? next : number
    this.#isFresh = false
  }

  #gap(next: number, ahead: number): void {
    const count = this.#film.pictures.length
    const isBack = ahead > count / 2
    if (isBack && this.#isFresh) return
    const [lost, repeated] = isBack ? [0, count - ahead] : [ahead, 0]
    this.gaps.push({ atMs: Date.now(), lost, repeated, last: this.#last, next })
  }
}
