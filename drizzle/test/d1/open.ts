import { env } from 'cloudflare:workers';
import { openControl } from '../../control/open-d1.ts';
import { openRecord } from '../../record/open-d1.ts';
import { emptied, type OpenDatabases } from '../suite/databases.ts';

export const openD1: OpenDatabases = () =>
  emptied({ control: openControl(env.CONTROL), record: openRecord(env.RECORD) });
