/**
 * Directed situations, which chance alone would make too rarely: each small run has two of them amid all that happens.
 * They only arrange; what comes of it is decided by the nodes and judged by the checks.
 */
import * as files from './scenes-files.ts'
import * as nodes from './scenes-nodes.ts'
import type { World } from './world.ts'

export type Scene = (world: World) => Promise<void>

export const scenes = {
  draw: files.draw,
  orphans: files.orphans,
  handover: files.handover,
  offerTwice: files.offerTwice,
  sevenDays: files.sevenDays,
  deepFork: nodes.deepFork,
  lonely: nodes.lonely,
  restored: nodes.restored,
  twins: nodes.twins,
  council: nodes.council,
  upgrade: nodes.upgrade,
  flood: nodes.flood,
} satisfies Record<string, Scene>

export type SceneName = keyof typeof scenes

export const SCENE_NAMES = Object.keys(scenes) as SceneName[]
