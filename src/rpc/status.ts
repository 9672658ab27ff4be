/**
 * The names of the states of a server and of a client, as the seed has them: constants of RPCServer and RPCClient.
 */

/** The states of a server. */
export const serverStates = {
  notRunning: 'not running',
  starting: 'starting',
  running: 'running',
  stopping: 'stopping',
} as const;

/** A state of a server: one of `RPCServer.STATE_NOT_RUNNING`, `STATE_STARTING`, `STATE_RUNNING`, `STATE_STOPPING`. */
export type ServerStatus = (typeof serverStates)[keyof typeof serverStates];

/** The statuses of a client, and of a connection as its server sees it. */
export const clientStatuses = {
  autoConnecting: 'auto connecting',
  disconnected: 'disconnected',
  connecting: 'connecting',
  connected: 'connected',
  disconnecting: 'disconnecting',
} as const;

/**
 * A status of a client: one of `RPCClient.STATUS_AUTO_CONNECTING`, `STATUS_DISCONNECTED`, `STATUS_CONNECTING`,
 * `STATUS_CONNECTED`, `STATUS_DISCONNECTING`.
 */
export type ClientStatus = (typeof clientStatuses)[keyof typeof clientStatuses];
