/** The documents of the mock: short, real in tone, and full of answers. `# ` begins a heading, `\f` a page. */

export type Story = {
  path: string;
  title?: string;
  media_type: string;
  language?: string;
  tags?: string[];
  metadata?: Record<string, unknown>;
  body: string;
};

const PDF = "application/pdf";
const WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

export const HOUSE: Story[] = [
  {
    path: "manuals/house-manual.pdf",
    title: "House manual, Linden Street 14",
    media_type: PDF,
    language: "en",
    tags: ["manual"],
    metadata: { author: "Building office", created: "2021-03-02" },
    body: `# Heating
The house is heated by a gas boiler in the cellar. It also warms the water for the kitchens and baths. The boiler room is locked; the key hangs in the porter's office.
\f# Service
The boiler in the cellar is serviced every October, before the heating season begins. The fitter changes the filter, cleans the burner and brings the pressure back to 1.5 bar. Tenants are told two weeks before by a notice at the door.

Between visits, the porter reads the gauge on the first Monday of each month. Below 1 bar the pump switches itself off, and the radiators on the top floor stay cold.

# Faults
Code E04 means that the flame went out. Press reset once, wait a minute and listen for the fan. If the code comes back within a day, call the service and say the number on the plate: it stands on the left side, behind the cover.

Never press reset more than three times in an hour. The boiler then locks itself, and only the fitter can open it again.
\f# Water
The main tap is in the cellar, to the right of the stairs, behind the grey door. Turn it clockwise until it stops. Every flat has a tap of its own under the kitchen sink.

# Leaks
A leak at the boiler is never repaired by tenants. Shut the main tap, put a bucket under the leak and call the porter. Water that reaches the burner can crack it.
\f# Electricity
Each flat has its own fuse box in the hall. The fuses of the stairs and the cellar light are in the porter's office. The meter is read on 31 December.

# Waste
Paper goes on Tuesdays, glass on the first Friday. Bulky things are fetched twice a year, in April and in October; the dates hang in the hall.`,
  },
  {
    path: "letters/2023-10-02 boiler service.docx",
    title: "Boiler service on 12 October",
    media_type: WORD,
    language: "en",
    tags: ["letter", "heating"],
    metadata: { author: "M. Okafor" },
    body: `# To all tenants
On Thursday 12 October 2023 the boiler will be serviced between 8 and 11 in the morning. There will be no warm water during that time. The fitter does not need to enter the flats.

The yearly service costs 318.00, which is part of the running costs. Last year's visit found a worn seal, which was changed on the spot.`,
  },
  {
    path: "contracts/service contract heating.pdf",
    title: "Service contract for the heating",
    media_type: PDF,
    language: "en",
    tags: ["contract", "heating"],
    body: `# Scope
The contractor inspects and services the boiler named in annex A once in each calendar year, in September or October. The service covers cleaning, the change of the filter, the measurement of exhaust gases and a written report.
\f# Response times
In the heating season, from 1 October to 30 April, the contractor is on site within four hours after a report that the heating has failed. Outside of the season within one working day.

# Price
The yearly price is 318.00 and includes travel. Parts above 25.00 are charged after consent.
\f# Term and notice
The contract runs for two years and is prolonged by one year unless it is ended with three months' notice. Notice is given in writing.`,
  },
  {
    path: "anleitungen/heizung-kurzanleitung.pdf",
    title: "Heizung: Kurzanleitung",
    media_type: PDF,
    language: "de",
    tags: ["manual"],
    body: `# Bedienung
Die Heizung wird über den Regler im Flur eingestellt. Für die Nacht genügt die Stufe zwei. Der Kessel im Keller wird jedes Jahr im Oktober gewartet.

# Entlüften
Gluckert ein Heizkörper, so ist Luft darin. Öffnen Sie das Ventil mit dem Vierkantschlüssel eine halbe Drehung, bis Wasser kommt, und schließen Sie es wieder.`,
  },
  {
    path: "minutes/2024-02-15 owners meeting.md",
    title: "Owners' meeting, 15 February 2024",
    media_type: "text/markdown",
    language: "en",
    tags: ["minutes"],
    body: `# Present
Eleven of fourteen owners, the manager, and the porter for point 3.

# Roof
The offer of Brandt & Sons was accepted with nine votes to two. Work begins in May; the scaffolding stands until the end of July.

# Heating
The boiler is nineteen years old. The manager asks for offers for a heat pump and for a connection to the district network, both by September. Until then the old boiler is kept and serviced as before.`,
  },
  {
    path: "costs/running-costs-2023.xlsx",
    title: undefined,
    media_type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    language: "en",
    tags: ["costs"],
    body: `# Running costs
Item\tSupplier\tAmount
Gas\tStadtwerke\t14,208.40
Service of the boiler\tHartmann Heating\t318.00
Cleaning of the stairs\tBlank & Co\t4,860.00
Lift, inspection\tKone\t1,120.00
Water\tStadtwerke\t6,733.15`,
  },
];

export const CONTRACTS: Story[] = [
  {
    path: "lease/lease-flat-7.pdf",
    title: "Lease, flat 7",
    media_type: PDF,
    language: "en",
    tags: ["lease"],
    body: `# Parties
This lease is made between Linden Street GbR as the landlord and Ms Ida Brenner as the tenant.
\f# Rent
The rent is 1,140.00 a month without running costs and is due on the third working day of each month. It may be raised no sooner than fifteen months after the last increase.
\f# Notice
The tenant may end the lease with three months' notice to the end of a month. The notice must be in writing and signed by hand; an e-mail is not enough.

# Deposit
The deposit is three months' rent without running costs, 3,420.00, and is paid back within six months after the keys were returned.`,
  },
  {
    path: "insurance/building-insurance-2024.pdf",
    title: "Building insurance 2024",
    media_type: PDF,
    language: "en",
    tags: ["insurance"],
    body: `# Cover
The house is insured against fire, water from pipes, storm and hail. Damage by water that rises from the ground is covered only with the additional clause 7.
\f# What to do after damage
Damage is reported within three days, with photographs and an estimate. Nothing is thrown away before the insurer has seen it or has agreed.

# Excess
The owner bears the first 500.00 of each damage by water.`,
  },
];

export const LAB: Story[] = [
  {
    path: "notebooks/2022-enzymes.md",
    title: "Enzymes, notebook 3",
    media_type: "text/markdown",
    language: "en",
    tags: ["notebook"],
    body: `# 14 March
Thawed two aliquots of the lysate. Activity at 37 °C was 4.1 U/mL, about a third below the value before freezing. Freezing once costs activity; freezing twice leaves nothing that can be measured 🧪.

# 16 March
With 10 % glycerol the loss is 6 %. From now on every aliquot gets glycerol before it goes into the freezer.`,
  },
];

export const QUESTIONS = ["how is the boiler serviced", "notice period of the lease", "what does error E04 mean"];
