/**
 * What servers and clients give to each of their peers, out of their options.
 */
import { sharedSlabs } from '../protocol/framing.js';
import type { ResolvedOptions } from './options.js';
import type { PeerSettings } from './peer.js';

/** What is no option, or changes. */
type Present = Pick<
  PeerSettings,
  'turns' | 'interception' | 'authorization' | 'registry' | 'timeoutMs' | 'authenticationTimeoutMs'
>;

/** The settings of peers made from now on. */
export function peerSettingsOf(options: ResolvedOptions, present: Present): PeerSettings {
  const { scheduler } = options;
  return {
    scheduler,
    now: () => scheduler.now(),
    limits: options.limits,
    codecs: options.codecs,
    slabs: sharedSlabs,
    turns: present.turns,
    registry: present.registry,
    exposeErrors: options.exposeErrors,
    callTimeoutMs: options.callTimeoutMs,
    callbackScheduler: options.callbackScheduler,
    interception: present.interception,
    random: options.random,
    timeoutMs: present.timeoutMs,
    heartbeatIntervalMs: options.heartbeatIntervalMs,
    unresponsiveAfterMs: options.unresponsiveAfterMs,
    disconnectUnresponsive: options.disconnectUnresponsive,
    authorization: present.authorization,
    authenticationTimeoutMs: present.authenticationTimeoutMs,
    resume: options.resume,
  };
}
