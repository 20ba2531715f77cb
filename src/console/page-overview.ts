import { ask, type Sample } from './api.ts'
import { Chart, type Line } from './chart.ts'
import { el, FactList, section } from './dom.ts'
import type { Page } from './page.ts'
import { bytesText, rateText, timeText } from './text.ts'

/** As many as the server keeps. */
const MAX_SAMPLES = 200

interface Summary {
  readonly self: { readonly mem_kbyte: number; readonly srs_uptime: number }
  readonly system: { readonly load_1m: number; readonly cpus: number; readonly conn_srs: number }
}

/** The whole server: numbers of now, and charts of the last ten minutes. */
export class OverviewPage implements Page {
  readonly intervalMs = 3_000
  readonly element: HTMLElement
  readonly #facts = new FactList()
  readonly #rates = new Chart('Bit rate', rateText)
  readonly #viewers = new Chart('Viewers', (value) => String(Math.round(value * 10) / 10))
  readonly #cpu = new Chart('CPU, percent of a core', (value) => `${Math.round(value * 10) / 10} %`)
  readonly #delay = new Chart('Event-loop delay', (value) => `${Math.round(value * 10) / 10} ms`)
  #samples: Sample[] = []

  constructor() {
    this.#facts.element.classList.add('tiles')
    const charts = [this.#rates, this.#viewers, this.#cpu, this.#delay].map(({ element }) => element)
    this.element = el(
      'div',
      {},
      section('Now', this.#facts.element),
      section('The last ten minutes', el('div', { class: 'charts' }, ...charts)),
    )
  }

  async refresh(): Promise<void> {
    const after = this.#samples.at(-1)?.time_ms ?? 0
    const [{ samples }, { data }] = await Promise.all([
      ask<{ samples: Sample[] }>(`history?after=${after}`),
      ask<{ data: Summary }>('summaries'),
    ])
    this.#samples = [...this.#samples, ...samples].slice(-MAX_SAMPLES)
    this.#showNumbers(data)
    this.#showCharts()
  }

  leave(): void {
    for (const chart of [this.#rates, this.#viewers, this.#cpu, this.#delay]) chart.remove()
  }

  #showNumbers({ self, system }: Summary): void {
    const last = this.#samples.at(-1)
    if (!last) return
    const facts = this.#facts
    facts.set('Streams', String(last.streams))
    facts.set('Viewers', String(Object.values(last.players).reduce((sum, count) => sum + count, 0)))
    facts.set('In', rateText(last.recv_kbps))
    facts.set('Out', rateText(last.send_kbps))
    facts.set('CPU', `${last.cpu_percent.toFixed(1)} %`)
    facts.set('Memory', bytesText(self.mem_kbyte * 1024))
    facts.set('Connections', String(system.conn_srs))
    facts.set(`Load, ${system.cpus} cores`, String(system.load_1m))
    facts.set('Up for', timeText(self.srs_uptime))
  }

  #showCharts(): void {
    const samples = this.#samples
    const times = samples.map(({ time_ms }) => time_ms / 1000)
    const line = (name: string, of: (sample: Sample) => number | null): Line => ({ name, values: samples.map(of) })
    const protocols = [...new Set(samples.flatMap(({ players }) => Object.keys(players)))].toSorted()
    const viewers = protocols.map((name) => line(name, ({ players }) => players[name] ?? 0))
    this.#rates.show(times, [line('in', (sample) => sample.recv_kbps), line('out', (sample) => sample.send_kbps)])
    this.#viewers.show(times, viewers.length > 0 ? viewers : [line('viewers', () => 0)])
    this.#cpu.show(times, [line('CPU', (sample) => sample.cpu_percent)])
    this.#delay.show(times, [
      line('median', (sample) => sample.loop_delay_ms?.p50 ?? null),
      line('99 %', (sample) => sample.loop_delay_ms?.p99 ?? null),
      line('longest', (sample) => sample.loop_delay_ms?.max ?? null),
    ])
  }
}
