// The floor with one length for all messages of a turn, which decodeMulti decodes in one go: less work for each message.
import { openFloor } from './floor.mjs';

export const { serve, connect } = openFloor({ isLengthPerBatch: true });
