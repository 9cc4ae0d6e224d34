// The streets of the Eixample in the plane of plane.js. Their names are the real ones, and the grid is nearly so. Those
// in which the simulator rides (0 to 5 along the sea, 0 to 6 across) are those of city.rs; how far others lead and how
// wide they are is roughly right at best, and from Glòries on towards the Besòs even the order of names is only about right.

/** How wide a street is of which nothing else is said, metres. */
export const STREET = 20;

/** Streets along the sea, their numbers from the sea inland: number, name, from and to which cross street, and how wide. */
export const ALONG = [
  [-13, 'Avinguda del Litoral', 13, 37],
  [-12, "Avinguda d'Icària", 12, 30],
  [-11, 'Carrer del Doctor Trueta', 12, 34],
  [-10, 'Carrer de Ramon Turró', 12, 36],
  [-9, 'Carrer de Llull', 12, 37],
  [-8, 'Carrer de Pujades', 8.2, 37],
  [-7, 'Carrer de Pallars', 12, 37],
  [-7, 'Carrer del Parlament', -10, -7],
  [-6, "Carrer dels Almogàvers", 11, 30],
  [-6, 'Carrer de Manso', -12, -6.6],
  [-5, "Carrer d'Alí Bei", 6.5, 14],
  [-5, 'Carrer de Sancho de Ávila', 14, 24],
  [-5, 'Carrer de Tamarit', -14, -6],
  [-4, "Carrer d'Ausiàs Marc", 4, 14],
  [-4, 'Carrer de Bolívia', 18, 32],
  [-4, 'Carrer de Floridablanca', -15, -5],
  [-3, 'Carrer de Casp', 2, 15],
  [-3, 'Carrer de Sepúlveda', -15.4, -3],
  [-2, 'Gran Via de les Corts Catalanes', -15.4, 34, 46],
  [-1, 'Carrer de la Diputació', -15, 16],
  [0, 'Carrer del Consell de Cent', -16, 17],
  [1, "Carrer d'Aragó", -15.5, 22, 29],
  [2, 'Carrer de València', -15.8, 21],
  [3, 'Carrer de Mallorca', -17, 20],
  [4, 'Carrer de Provença', -17, 20],
  [5, 'Carrer del Rosselló', -16, 20],
  [6, 'Carrer de Còrsega', -15, 20],
  [7, 'Carrer de París', -13.5, -1.2],
  [7, 'Carrer de la Indústria', 9, 20],
  [8, 'Carrer de Londres', -12, -3],
  [8, 'Carrer de Sant Antoni Maria Claret', 9, 20, 26],
  [9, 'Carrer de Buenos Aires', -10.8, -6],
];

/** Cross streets, their numbers from the south-west on, the same way: from and to which street along the sea. */
export const ACROSS = [
  [-14, 'Carrer de Tarragona', -2.6, 4, 30],
  [-13, 'Carrer de Llançà', -3.4, 1.5],
  [-12, 'Carrer de Vilamarí', -6, 7],
  [-11, "Carrer d'Entença", -7, 9.2],
  [-10, 'Carrer de Rocafort', -8, 6],
  [-9, 'Carrer de Calàbria', -9, 8],
  [-8, 'Carrer de Viladomat', -10, 8.6],
  [-7, 'Carrer del Comte Borrell', -11, 8],
  [-6, "Carrer del Comte d'Urgell", -7, 9.4, 28],
  [-5, 'Carrer de Villarroel', -6, 9],
  [-4, 'Carrer de Casanova', -5, 8.8],
  [-3, 'Carrer de Muntaner', -4, 8.5],
  [-2, "Carrer d'Aribau", -2.4, 8.2],
  [-1, "Carrer d'Enric Granados", -1, 7.8],
  [0, 'Carrer de Balmes', -4, 7.4, 24],
  [1, 'Rambla de Catalunya', -4, 7.2, 32],
  [2, 'Passeig de Gràcia', -4.8, 6.7, 52],
  [3, 'Carrer de Pau Claris', -4.6, 6.2],
  [4, 'Carrer de Roger de Llúria', -4.8, 5.7],
  [5, 'Carrer del Bruc', -5, 6.3],
  [6, 'Carrer de Girona', -5.6, 6.3],
  [7, 'Carrer de Bailèn', -6, 6.3],
  [8, 'Passeig de Sant Joan', -6.6, 6.3, 46],
  [9, 'Carrer de Roger de Flor', -7.6, 8],
  [10, 'Carrer de Nàpols', -7.6, 8],
  [11, 'Carrer de Sicília', -6, 8],
  [12, 'Carrer de Sardenya', -7.8, 8],
  [13, 'Carrer de la Marina', -17, 8, 28],
  [14, 'Carrer de Lepant', -2, 8],
  [14, 'Carrer de Zamora', -13, -5],
  [15, 'Carrer de Padilla', -1.4, 8],
  [15, 'Carrer de Pamplona', -13, -3],
  [16, 'Carrer dels Castillejos', -1.4, 8],
  [16, "Carrer d'Àlaba", -13, -3],
  [17, 'Carrer de Cartagena', -1, 8],
  [17, "Carrer d'Àvila", -13, -3],
  [18, 'Carrer del Dos de Maig', -1, 8],
  [18, 'Carrer de Badajoz', -13, -3],
  [19, 'Carrer de la Independència', -1, 8],
  [19, 'Carrer de la Ciutat de Granada', -13, -3],
  [20, 'Carrer de Roc Boronat', -13, -3],
  [21, 'Carrer de la Llacuna', -13, -3],
  [23, 'Carrer de Lope de Vega', -13, -3],
  [24, "Carrer d'Espronceda", -13, -3],
  [25, 'Carrer de Bac de Roda', -14, -3, 28],
  [26, 'Carrer de Fluvià', -13, -3],
  [27, 'Carrer de la Selva de Mar', -14, -3],
  [28, 'Carrer de Provençals', -12, -3],
  [29, 'Carrer de Josep Pla', -12, -4],
];

/** Where the grid of the Eixample and of Poblenou is; the sea is drawn over it. In blocks. */
export const GRID = [
  [-15.4, -2.8], [-12, -6.1], [-6.9, -11.1], [-5.8, -7.3], [-4.2, -5.1], [-2.06, -2.5], [0.2, -4.2], [2.1, -5.1],
  [3.6, -4.7], [8.2, -6.6], [8.2, -8], [12, -8], [12, -20], [38, -20], [38, -5.4], [30, -2.8], [22, -0.6], [20, 8.2],
  [9, 8.2], [9, 6.25], [3.1, 6.25], [2, 6.85], [-7.8, 10.2], [-12, 8.3], [-17.3, 3.4],
];

/** Blocks that are gardens, by their southern corner; `[along, inland, size along, size inland]`. */
export const GARDENS = [
  [-14, -1, 2, 2], [9, -6, 2, 1], [27, -6, 2, 2], [11, 3, 1, 1], [13, 3, 1, 1], [20, 0, 1, 1], [-5, 3, 1, 1],
  [-8, 4, 1, 1], [16, 5, 1, 1], [23, -9, 1, 1], [33, -12, 2, 2], [16, -11, 1, 2], [6, 0, 1, 1], [-11, 4, 2, 1],
];
