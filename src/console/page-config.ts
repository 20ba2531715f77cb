import { ApiFailure, ask, failureText, type Setting } from './api.ts'
import { button, el, section, setText } from './dom.ts'
import type { Page } from './page.ts'
import { Table } from './table.ts'

/** The configuration in force, where each value is from, and its reload. */
export class ConfigPage implements Page {
  readonly intervalMs = 10_000
  readonly element: HTMLElement
  readonly #search = el('input')
  readonly #withDefaults = el('input')
  readonly #outcome = el('div', { role: 'status', class: 'outcome' })
  readonly #reload: HTMLButtonElement
  #settings: readonly Setting[] = []
  readonly #table = new Table<Setting>(
    [
      { title: 'Setting', make: (current) => settingName(current()) },
      { title: 'Value', text: ({ value }) => value ?? '–' },
      { title: 'From', text: ({ origin }) => origin ?? 'default' },
      {
        title: 'A reload applies it',
        text: ({ reload }) => ({ now: 'at once', restart: 'no: restart' })[reload] ?? `to ${reload}`,
      },
    ],
    ({ path }) => path,
    'No setting is like that.',
  )

  constructor() {
    this.#reload = button('Reload', () => void this.#load())
    this.element = section('Configuration', this.#tools(), this.#outcome, this.#table.element)
  }

  async refresh(): Promise<void> {
    this.#settings = (await ask<{ settings: Setting[] }>('config')).settings
    this.#show()
  }

  #tools(): HTMLElement {
    this.#search.type = 'search'
    this.#search.id = 'config-search'
    this.#search.placeholder = 'gop_cache'
    this.#search.addEventListener('input', () => this.#show())
    this.#withDefaults.type = 'checkbox'
    this.#withDefaults.addEventListener('change', () => this.#show())
    const label = el('label', {}, 'Search')
    label.htmlFor = this.#search.id
    const form = el(
      'form',
      { class: 'search' },
      label,
      this.#search,
      el('label', {}, this.#withDefaults, ' defaults too'),
      this.#reload,
    )
    form.addEventListener('submit', (event) => event.preventDefault())
    return form
  }

  /** Who searches wants to find defaults too. */
  #show(): void {
    const wanted = this.#search.value.trim().toLowerCase()
    const isAll = this.#withDefaults.checked || wanted !== ''
    this.#table.update(
      this.#settings.filter(({ path, meaning, origin }) => {
        const isFound =
          path.toLowerCase().includes(wanted) || (wanted.length > 2 && meaning.toLowerCase().includes(wanted))
        return isFound && (isAll || origin !== null)
      }),
    )
  }

  async #load(): Promise<void> {
    this.#reload.disabled = true
    try {
      await ask('raw?rpc=reload')
      this.#tell(['The configuration was reloaded.'], true)
      await this.refresh()
    } catch (error) {
      this.#tell(reasons(error), false)
    } finally {
      this.#reload.disabled = false
    }
  }

  #tell([head = '', ...details]: readonly string[], isWell: boolean): void {
    const first = el('p')
    setText(first, head)
    this.#outcome.className = `outcome ${isWell ? 'well' : 'wrong'}`
    this.#outcome.replaceChildren(first, el('ul', {}, ...details.map((line) => el('li', {}, line))))
  }
}

function settingName({ path, meaning }: Setting): HTMLElement {
  return el('div', {}, el('code', {}, path), el('small', { class: 'meaning' }, meaning))
}

function reasons(error: unknown): string[] {
  if (!(error instanceof ApiFailure)) return [failureText(error)]
  if (error.status === 403) return ['Reloading from here is not allowed:', error.message]
  return ['Nothing has changed: the configuration cannot be used.', ...error.message.split('\n')]
}
