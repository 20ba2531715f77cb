import type UPlot from 'uplot'
import { el } from './dom.ts'
import { THEME_CHANGED } from './theme.ts'

/** The script `uPlot`, which the page loads before. */
declare const uPlot: typeof UPlot

const HEIGHT = 180
/** Colours that are told apart also by who does not tell red from green; they are set for each theme. */
const LINES = ['--line-1', '--line-2', '--line-3', '--line-4', '--line-5']

/** What is looked back on, seconds: as long as the server keeps. */
const SPAN = 600
/** Steps of the time axis, seconds. */
const WHOLE_MINUTES = [60, 120, 300, 600]

/** One line of a chart. */
export interface Line {
  readonly name: string
  /** A value for each time; null: it is not known. */
  readonly values: readonly (number | null)[]
}

/** Lines over the last minutes. */
export class Chart {
  readonly element: HTMLElement
  readonly #unit: (value: number) => string
  readonly #stage = el('div', { class: 'plot' })
  readonly #nothing: HTMLElement
  #plot: UPlot | null = null
  #names = ''
  #times: readonly number[] = []
  #lines: readonly Line[] = []
  readonly #resizing = new ResizeObserver(() => this.#plot?.setSize({ width: this.#width, height: HEIGHT }))
  readonly #onTheme = (): void => this.#draw()

  /** @param unit makes a value readable */
  constructor(title: string, unit: (value: number) => string) {
    this.#unit = unit
    this.#nothing = el('p', { class: 'nothing' }, 'Nothing yet.')
    this.element = el('figure', { class: 'chart' }, el('figcaption', {}, title), this.#stage, this.#nothing)
    this.#resizing.observe(this.#stage)
    addEventListener(THEME_CHANGED, this.#onTheme)
  }

  /** @param times seconds since 1970 */
  show(times: readonly number[], lines: readonly Line[]): void {
    this.#times = times
    this.#lines = lines
    this.#nothing.hidden = lines.length > 0
    const names = lines.map(({ name }) => name).join('\n')
    if (names !== this.#names || !this.#plot) this.#draw()
    else this.#plot.setData(this.#data)
    this.#names = names
  }

  /** It is not looked at any more. */
  remove(): void {
    this.#resizing.disconnect()
    removeEventListener(THEME_CHANGED, this.#onTheme)
    this.#plot?.destroy()
    this.#plot = null
  }

  get #width(): number {
    return Math.max(200, this.#stage.clientWidth)
  }

  get #data(): UPlot.AlignedData {
    return [[...this.#times], ...this.#lines.map(({ values }) => [...values])]
  }

  /** Always as long, also when the server has just begun. */
  get #span(): UPlot.Range.MinMax {
    const newest = this.#times.at(-1) ?? 0
    return [newest - SPAN, newest]
  }

  /** Where the pointer is; where it is not, the newest. */
  #valueText(index: number, value: number | null): string {
    const shown = value ?? this.#lines[index]?.values.at(-1) ?? null
    return shown === null ? '–' : this.#unit(shown)
  }

  #draw(): void {
    this.#plot?.destroy()
    this.#plot = null
    if (this.#lines.length === 0) return
    const style = getComputedStyle(document.documentElement)
    const quiet = style.getPropertyValue('--quiet')
    const grid = { stroke: style.getPropertyValue('--edge'), width: 1 }
    const series = this.#lines.map(({ name }, index) => ({
      label: name,
      stroke: style.getPropertyValue(LINES[index % LINES.length] ?? ''),
      width: 2,
      points: { show: false },
      value: (_plot: UPlot, value: number | null) => this.#valueText(index, value),
    }))
    const axis = { stroke: quiet, grid, ticks: grid, font: '12px system-ui, sans-serif' }
    const options: UPlot.Options = {
      width: this.#width,
      height: HEIGHT,
      series: [{}, ...series],
      // Charts begin at nought: a line that only trembles should not look like mountains.
      scales: { x: { range: () => this.#span }, y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.15 : 1] } },
      axes: [
        { ...axis, size: 30, incrs: WHOLE_MINUTES, values: (_plot, splits) => splits.map((at) => clock(at)) },
        { ...axis, size: 72, values: (_plot, splits) => splits.map((value) => this.#unit(value)) },
      ],
      cursor: { y: false },
    }
    this.#plot = new uPlot(options, this.#data, this.#stage)
  }
}

function clock(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hour12: false })
}
