import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import * as net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tls from 'node:tls'
import { onTestFinished } from 'vitest'

/** A certificate that signs itself, in files. */
export class TestCertificate {
  readonly folder: string
  readonly cert: string
  readonly key: string

  constructor(subject: string, days = 30) {
    this.folder = mkdtempSync(join(tmpdir(), 'sluice-tls-'))
    this.cert = join(this.folder, 'server.crt')
    this.key = join(this.folder, 'server.key')
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    const names = ['-subj', `/CN=${subject}`, '-addext', `subjectAltName=DNS:${subject},DNS:localhost,IP:127.0.0.1`]
    const files = ['-keyout', this.key, '-out', this.cert, '-days', String(days)]
    execFileSync('openssl', ['req', '-x509', ...curve, ...names, ...files], { stdio: 'pipe' })
  }

  /** One whose files go with the running test. */
  static make(subject = 'one.example'): TestCertificate {
    const made = new TestCertificate(subject)
    onTestFinished(() => made.remove())
    return made
  }

  get pem(): string {
    return readFileSync(this.cert, 'utf8')
  }

  /** As directives. */
  get directives(): string {
    return `key ${this.key}; cert ${this.cert};`
  }

  /** The files become those of another one. */
  replaceBy(other: TestCertificate): void {
    cpSync(other.cert, this.cert)
    cpSync(other.key, this.key)
  }

  remove(): void {
    rmSync(this.folder, { recursive: true })
  }
}

/** What a client of TLS found. */
export interface Handshake {
  readonly subject: string
  readonly protocol: string | null
  readonly alpn: string | false
}

/** Shakes hands and goes. @throws what the client found wrong, or the server */
export function handshake(port: number, options: tls.ConnectionOptions = {}): Promise<Handshake> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options }, () => {
      const { CN } = socket.getPeerCertificate().subject
      resolve({ subject: String(CN), protocol: socket.getProtocol(), alpn: socket.alpnProtocol || false })
      socket.end()
    })
    socket.on('error', reject)
    // The server may be waiting for the end.
    socket.resume()
  })
}

/** A port in clear whose connections are carried on to a port that speaks TLS: for clients that cannot. */
export async function tunnelTo(port: number, preface = ''): Promise<number> {
  const sockets = new Set<net.Socket>()
  const tunnel = net.createServer({ allowHalfOpen: true }, (inside) => {
    const raw = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true })
    if (preface !== '') raw.write(preface)
    const outside = tls.connect({ socket: raw, rejectUnauthorized: false })
    for (const socket of [inside, raw, outside]) {
      sockets.add(socket)
      socket.on('error', () => inside.destroy())
    }
    raw.on('close', () => inside.destroy())
    inside.on('close', () => raw.destroy())
    inside.pipe(outside).pipe(inside)
  })
  await new Promise<void>((resolve) => tunnel.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    tunnel.close()
  })
  return (tunnel.address() as net.AddressInfo).port
}
