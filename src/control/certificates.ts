/** Certificates from files: checked at the start, read again when they change. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { asError } from '../st/errors.ts'
import type { SecureContext } from '../st/network.ts'
import { makeSecureContext } from '../st/real/tls.ts'
import type { Thread } from '../st/thread.ts'
import type { World } from '../st/world.ts'

/** How often the files are looked at. */
const LOOK_MS = 3_000

/** The names of two files: a certificate chain and its private key, both PEM. */
export interface CertificateFiles {
  readonly cert: string
  readonly key: string
}

interface Loaded {
  /** Of what is used, or of what could not be used and was told of. */
  stamp: string
  context: SecureContext
}

/** What is wrong with the contents of two files, in words that fit behind their directive; null: nothing. */
export function certificateProblem({ cert, key }: CertificateFiles): { of: 'cert' | 'key'; message: string } | null {
  const certificate = parsed(() => new X509Certificate(cert))
  if (certificate instanceof Error) return { of: 'cert', message: 'is no certificate in PEM' }
  const privateKey = parsed(() => createPrivateKey(key))
  if (privateKey instanceof Error) {
    return {
      of: 'key',
      message: key.includes('ENCRYPTED') ? 'is protected by a passphrase' : 'is no private key in PEM',
    }
  }
  if (!certificate.checkPrivateKey(privateKey)) return { of: 'key', message: 'is not the key of the certificate' }
  return null
}

/** The certificates in use, by the names of their files. */
export class Certificates {
  readonly #world: World
  #loaded = new Map<string, Loaded>()

  constructor(world: World) {
    this.#world = world
  }

  /** What a handshake needs; null: these files are not in use. */
  get({ cert, key }: CertificateFiles): SecureContext | null {
    return this.#loaded.get(nameOf({ cert, key }))?.context ?? null
  }

  /**
   * Reads all that is wanted from now on, also what is in use already.
   * @returns puts it in use
   * @throws Error when one cannot be used; nothing has changed then
   */
  prepare(wanted: readonly CertificateFiles[]): () => void {
    const next = new Map<string, Loaded>()
    for (const files of wanted) {
      if (next.has(nameOf(files))) continue
      next.set(nameOf(files), { stamp: stampOf(files), context: this.#read(files) })
    }
    return () => {
      this.#loaded = next
    }
  }

  /** Looks at the files now and then, until it is interrupted. @throws InterruptedError */
  async run(thread: Thread): Promise<void> {
    for (;;) {
      await thread.sleep(LOOK_MS)
      this.refresh()
    }
  }

  /** Reads again what has changed. What cannot be used changes nothing: connections are served with what there was. */
  refresh(): void {
    for (const [name, loaded] of this.#loaded) {
      const files = filesOf(name)
      const stamp = stampOf(files)
      if (stamp === loaded.stamp) continue
      loaded.stamp = stamp
      try {
        loaded.context = this.#read(files)
      } catch (error) {
        const reason = asError(error).message
        this.#world.log.warn({ ...files, reason }, 'the changed certificate cannot be used: the one before still is')
      }
    }
  }

  #read(files: CertificateFiles): SecureContext {
    const content = { cert: readFileSync(files.cert, 'utf8'), key: readFileSync(files.key, 'utf8') }
    const problem = certificateProblem(content)
    if (problem) throw new Error(`${files[problem.of]} ${problem.message}`)
    const context = makeSecureContext(content.cert, content.key)
    this.#tell(files, new X509Certificate(content.cert))
    return context
  }

  #tell(files: CertificateFiles, { subject, subjectAltName, validFrom, validTo }: X509Certificate): void {
    const { log, clock } = this.#world
    const facts = { cert: files.cert, names: subjectAltName ?? subject, until: validTo }
    const nowMs = clock.wallMs()
    const isValid = Date.parse(validFrom) <= nowMs && nowMs <= Date.parse(validTo)
    if (isValid) log.info(facts, 'certificate read')
    else log.warn({ ...facts, from: validFrom }, 'certificate read, which is not valid today: clients will refuse it')
  }
}

function nameOf({ cert, key }: CertificateFiles): string {
  return `${cert}\n${key}`
}

function filesOf(name: string): CertificateFiles {
  const [cert = '', key = ''] = name.split('\n')
  return { cert, key }
}

/** Another text when one of the files is another one or has other contents. */
function stampOf({ cert, key }: CertificateFiles): string {
  return [cert, key]
    .map((path) => {
      const stat = statSync(path, { throwIfNoEntry: false })
      return stat ? `${stat.ino} ${stat.size} ${stat.mtimeMs}` : 'absent'
    })
    .join(' ')
}

function parsed<T>(parse: () => T): T | Error {
  try {
    return parse()
  } catch (error) {
    return asError(error)
  }
}
