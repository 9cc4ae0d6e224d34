// The colours of the map, muted, so that places and dots stand out from it. What is drawn over the map takes its colours
// from here, too.

export const PALETTES = {
  light: {
    ground: '#f1efeb', graticule: 'rgb(60 55 45 / 7%)',
    land: '#eeebe5', block: '#e6e2db', building: '#e0dbd3', buildingEdge: 'rgb(120 108 90 / 15%)', yard: '#eae7e0',
    alley: '#f4f2ee', street: '#faf9f7', main: '#ffffff', avenue: '#ffffff', avenueEdge: '#d8d3ca',
    motorway: '#fbe7bd', motorwayEdge: '#e4c98e',
    park: '#cfe3c4', garden: '#d5e6ca', tree: '#d6e4cc', sand: '#f2e7cb', water: '#b4d5e4', pier: '#e2ded6',
    name: { street: '#6f6a62', main: '#66615a', avenue: '#57524b', motorway: '#7d6328', district: '#8a847a', city: '#47433d', park: '#4d7a47', sea: '#4a83a3', landmark: '#6d5f52' },
    halo: 'rgb(255 255 255 / 88%)', landmark: '#8d7a68',
    dot: { partner: '#17212b', mine: '#0b6b5c', other: '#6b7682', busy: '#c2620c', lost: '#8b939b' },
    rim: '#ffffff', shade: 'rgb(20 25 32 / 34%)',
    trail: '#0b7a69', trailEdge: '#ffffff', route: '#2d3743', routeEdge: 'rgb(255 255 255 / 80%)',
    pickup: '#17212b', dropoff: '#0b6b5c', pin: '#b3261e', onPlace: '#ffffff', tag: '#ffffff', onTag: '#17212b',
  },
  dark: {
    ground: '#14181d', graticule: 'rgb(220 230 240 / 6%)',
    land: '#161b21', block: '#1d232a', building: '#222930', buildingEdge: 'rgb(255 255 255 / 4%)', yard: '#1e242b',
    alley: '#252c34', street: '#2d353e', main: '#353e48', avenue: '#3e4853', avenueEdge: '#1a2026',
    motorway: '#584f3a', motorwayEdge: '#2b2820',
    park: '#1a2d26', garden: '#1c3029', tree: '#263a33', sand: '#25261f', water: '#0c1a29', pier: '#232a31',
    name: { street: '#8d98a4', main: '#9ba6b2', avenue: '#b0bac5', motorway: '#b8a878', district: '#77828e', city: '#c3ccd5', park: '#6f9c82', sea: '#4f7896', landmark: '#a79c8e' },
    halo: 'rgb(18 22 27 / 85%)', landmark: '#8f8271',
    dot: { partner: '#e8edf1', mine: '#5fd0bb', other: '#8b96a1', busy: '#f3a24c', lost: '#77818b' },
    rim: '#10151a', shade: 'rgb(0 0 0 / 60%)',
    trail: '#4fc3ae', trailEdge: '#10151a', route: '#c6d0da', routeEdge: 'rgb(16 21 26 / 75%)',
    pickup: '#e8edf1', dropoff: '#5fd0bb', pin: '#ff8a80', onPlace: '#10151a', tag: '#2a333c', onTag: '#e8edf1',
  },
};

/** The family that canvases write in; that of the pages. */
export const FONT = 'system-ui, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif';
