/** Types of the panels' JavaScript: documents of the REST interface, widget models and drawing parameters. */
import type { Map as LeafletMap } from "leaflet";

export type Status = "NEW" | "PENDING" | "DONE" | "RETRY" | "FAILED";
export type Kind = "scene" | "tile";

// ---- documents of the REST interface

export interface Counts {
  new: number;
  pending: number;
  done: number;
  retry: number;
  failed: number;
  total: number;
}

export interface AOISummary {
  status: Status;
  scenes: Counts;
  tiles: Counts;
  root_tiles: number;
  from: string | null;
  to: string | null;
}

export interface AOIListEntry {
  ID: string;
  status: Status;
  scenes: Counts;
  tiles: Counts;
}

export interface Transition {
  seq: number;
  type: Kind | "aoi";
  id: number;
  from: Status | null;
  to: Status | null;
  cause: string;
  time: string;
  who: string;
  PreviousID?: number | null;
}

export interface ItemProperties {
  id: number;
  source_id: string;
  status: Status;
  date: string;
  attempt: number;
  RetryCountDown: number;
  message: string;
  tags?: Record<string, unknown>;
  scene: number;
  scene_source_id: string;
  PreviousID: number | null;
  ReferenceID: number | null;
}

export interface ItemFeature {
  properties: ItemProperties;
}

export interface SearchHit {
  type: Kind;
  id: number;
  source_id: string;
  scene_source_id: string;
  status: Status;
}

export interface QueuedJob {
  state: string;
  published: string;
  worker: string;
  expires: string;
}

export interface FailPreview {
  counts: { failed: number; pending: number; relinked: number };
}

export interface FailureGroup {
  kind: Kind;
  shape: string;
  count: number;
  retry: number;
  failed: number;
  since: string | null;
  last: string;
  example: string;
  ids: number[];
  first_acquired: string | null;
  last_acquired: string | null;
  orbits: Record<string, number>;
  /** the scenes with which tiles failed */
  causes: { retry: number; failed: number; ids: number[] } | null;
}

export type TimelineCounts = Record<Lowercase<Status>, number[]>;

export interface RunningJob {
  type: Kind;
  id: number;
  source_id: string;
  leased: boolean;
  worker: string;
  since: string;
  attempt: number;
}

export interface TimelineDocument {
  since: string;
  until: string;
  /** Length of a step. */
  seconds: number;
  scenes: TimelineCounts;
  tiles: TimelineCounts;
  finished: { scenes: number[]; tiles: number[] };
  running: { total: number; jobs: RunningJob[] };
}

// ---- columnar responses

export interface ColumnarData {
  statuses: Status[];
  /** Sequence number of the last transition that the columns include. */
  seq: number;
  id: Uint32Array;
  status: Uint8Array;
}

export interface FootprintData extends ColumnarData {
  /** Days since 1970-01-01. */
  day: Int32Array;
  first_ring: Uint32Array;
  first_position: Uint32Array;
  /** Longitude and latitude in degrees, alternating. */
  positions: Float32Array;
}

export interface LaneData extends ColumnarData {
  /** Acquisition date of each row. */
  days: (string | null)[];
  /** Number of tracks. */
  tracks: number;
  /** Place of each track. */
  names: string[];
  track: Uint32Array;
  /** Position of the first tile of each row. */
  first: Uint32Array;
  /** One more than the position of the previous tile; 0 for none. */
  previous: Uint32Array;
  scene: Uint32Array;
  /** Positions of the tiles, ordered by id. */
  by_id: Uint32Array;
  scene_id: Uint32Array;
  scene_status: Uint8Array;
  scene_row: Uint32Array;
}

// ---- transport

export interface ServerResponse {
  status: number;
  ok: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: each caller states the document that it reads.
  body: any;
}

export interface EventListeners {
  onEvents(events: Transition[]): void;
  onReconnect(): void;
  onDisconnect(): void;
}

export interface Transport {
  request(method: string, path: string, binary?: boolean): Promise<ServerResponse>;
  /** Returns a function that unsubscribes. */
  subscribe(aoi: string, listeners: EventListeners): () => void;
}

export type CommMessage =
  | { response: number; status: number; text: string }
  | { aoi: string; notify: keyof EventListeners; events: Transition[] };

// ---- widgets

export interface PanelTraits {
  aoi: string;
  instance: string;
  actor: string;
  glyphs: Record<Status, string>;
  map: string;
  with_land: boolean;
  panels: Record<string, string>;
  has_aoi_list: boolean;
}

export interface WidgetModel {
  get<K extends keyof PanelTraits>(name: K): PanelTraits[K];
  set<K extends keyof PanelTraits>(name: K, value: PanelTraits[K]): void;
  save_changes(): void;
  send(message: object): void;
  on(event: "msg:custom", callback: (message: CommMessage, buffers?: DataView[]) => void): void;
  on(event: "change:aoi", callback: () => void): void;
  off(event: string, callback: () => void): void;
  widget_manager: WidgetManager;
}

export interface WidgetManager {
  get_model(id: string): Promise<WidgetModel>;
  create_view(model: WidgetModel): Promise<WidgetView>;
}

export interface WidgetView {
  el: HTMLElement;
  /** Leaflet map of an ipyleaflet view, once it exists. */
  obj?: LeafletMap;
  trigger(event: string): void;
  remove(): void;
}

export interface RenderContext {
  model: WidgetModel;
  el: HTMLElement;
}

// ---- drawing

export type Child = Node | string | number | null | undefined | Child[];
export type Attributes = Record<string, string | number | boolean | null | undefined | ((event: never) => unknown)>;

export interface StatusStyle {
  color: string;
  /** Color of a glyph on `color`. */
  onColor: string;
}

/** Part of the world, in pixels: a world of `scale` pixels, shifted by `dx` and `dy`. */
export interface WorldView {
  scale: number;
  dx: number;
  dy: number;
  width: number;
  height: number;
}

export interface FootprintGroup {
  items: number[];
  color: string;
  glyph: string | null;
  dashed: boolean;
}

/** West, north, east and south on a world of size 1. */
export type Bounds = [number, number, number, number];
