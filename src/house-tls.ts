/** Which certificate is served where. */
import type { CertificateFiles, Certificates } from './control/certificates.ts'
import { certificateFiles } from './control/checks.ts'
import type { Config } from './control/config.ts'
import type { TlsOptions } from './server/options.ts'

/** What is spoken over HTTPS. */
export const HTTP_PROTOCOLS = ['http/1.1']

/** The certificates that a configuration asks for. */
export function wantedCertificates(config: Config): CertificateFiles[] {
  return certificateFiles(config).map(([, files]) => files)
}

/** The ports that speak TLS, by the configuration of the moment. */
export function tlsOptions(certificates: Certificates, now: () => Config): TlsOptions {
  return {
    rtmps: { certificateFor: (name) => certificates.get(ownFiles(now(), name) ?? now().rtmps), protocols: [] },
    https: {
      certificateFor: (name) => certificates.get(ownFiles(now(), name) ?? now().httpServer.https),
      protocols: HTTP_PROTOCOLS,
    },
  }
}

/** The certificate of the vhost that a client asks for; null: it has none of its own. */
function ownFiles({ vhosts }: Config, serverName: string): CertificateFiles | null {
  const tls = vhosts.get(serverName)?.tls
  return tls && tls.cert !== '' ? tls : null
}
