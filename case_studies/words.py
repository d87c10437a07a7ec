"""Names, nouns and sentence templates for the passages of the multi-hop study; all of them our own."""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass
from functools import cache
from typing import Literal

Split = Literal["train", "test"]

WOMEN = """
Anna Clara Ingrid Amina Yuki Priya Lucia Fatima Olga Chloe Nadia Greta Mei Sofia Zanele Leila Marta Freya Ximena
Hana Aisha Bridget Danuta Eleni Farah Gudrun Helga Ines Jelena Kavita Lien Mirela Noor Oksana Petra Rania Saskia Tamar
Ulrike Valeria Wanda Yara Zofia Adaeze Beatriz Carmen Dilnoza Edith Flora Georgina Harriet Imani Joanna Katya Lotte
Malika Nomsa Odile Paloma Rosalind Sunita Thandi Ursula Vesna Winifred Yasmin Zora Agnes Birgit Chiara Dagmar Esther
Fumiko Gwen Hedda Isolde Jasmin Kirsten Ludmila Margot Nerys Orsolya Pilar Ruth Sigrid Teresa Una Violeta Alma Bahar
Cecilia Delphine Emine Fiona Giulia Hester Irina Jocelyn Kamala Linnea Matilda Naomi Oona Philippa Renata Siobhan
Tomoko Verena Wilma Yvette Ada Bronwyn Celeste Dorothea Elif Francesca Gloria Hortense Ilse Juliana Keiko Lalita
Mercy Nina Octavia Rebecca Sabine Tilda Viola Xenia Zainab Amara Bettina Constance Diana Eunice Frieda Grace Hilda
Ivana Judith Katrin Lydia Monique Nelly Paulina Rosa Stella Thelma Vera Maeve Soraya Anneke Colette Mbali Rukmini
Marisol Alice Emma Lucy Sarah Maria Julia Laura Susan Karen Linda Helen Jane Kate Mary Elena Nora Eva Ella Lily Ruby
""".split()

MEN = """
Oskar Tom Omar Bruno Kenji Rahul Diego Tariq Sergei Mateo Lars Kwame Jonas Piotr Hassan Emil Tobias Viktor Anton
Bilal Caspar Dmitri Enzo Fergus Gustav Hiroshi Ivan Jorge Karim Luca Marek Nikhil Otto Pavel Quentin Rashid Stefan
Teodor Umar Vikram Walter Yusuf Zoltan Alasdair Baptiste Cyril Dario Edmund Farid Gareth Henrik Ismail Jakub Kofi
Leopold Murad Nestor Olivier Patrick Ravi Samir Takumi Ulrich Vaclav Wendell Yannick Zubin Aurel Bernard Cedric Dawit
Eamon Florian Gideon Hugo Ignacio Jerome Klaus Ludvig Malcolm Naveen Orlando Percival Ruben Sandor Thabo Urban Vadim
Winston Xavier Yaw Abel Benedikt Conrad Desmond Elias Felix Godfrey Horace Imre Joachim Kasimir Laszlo Miguel Norbert
Osman Pedro Rupert Sanjay Tadeo Valentin Wilhelm Zaid Ambrose Bartosz Chidi Dieter Ewan Francisco Gregor Harun Ibrahim
Josef Konrad Lorenzo Mustafa Nils Oleg Pascal Reza Sven Timothy Vusi Werner Adrian Bogdan Callum Dominik Ernesto Frank
Gilbert Heiko Isaac Julius Kurt Lionel Matthias Noah Owen Philip Rolf Silvio Theo Ugo Vincent Wout Jabu Anders Duncan
John Peter Paul George Henry James Daniel David Simon Martin Mark Robert Jack Samuel Ben Max Leo Adam Luke Carlos
""".split()

SURNAMES = """
Berg Okafor Lindqvist Marchetti Novak Haddad Tanaka Fernandes Kowalski Iyer Dubois Petrov Nakamura Osei Kaplan Moreau
Brandt Halvorsen Keller Sato Mendez Ferreira Janssen Kovacs Laurent Mbeki Nguyen Olsen Popescu Quist Rahman Santoro
Thorne Ueda Varga Whitlock Yilmaz Zeman Abernathy Bakker Castellan Drummond Eriksen Fonseca Grabowski Hadley Ibarra
Jokinen Karlsen Lombardi Mukherjee Nadir Orlov Pemberton Rask Selby Tembo Ulvang Vasquez Wexford Yardley Zielinski
Amoah Bellamy Crowther Delacroix Eastwick Fairburn Gallo Hoxha Ivanov Jardine Koster Lenz Mazur Norling Oduya Pellegrini
Rossi Sandoval Tierney Usman Vogel Wistrand Yeboah Zapata Ashdown Barlow Cordero Dahl Engel Farrow Gupta Hoffmann
Ito Juhasz Kimura Lovell Montero Nyman Ostrowski Prescott Reyes Stoica Trevino Vesely Winther Zamora Ackroyd Banerjee
Chaudhry Devlin Esposito Fraser Grimaldi Hartwell Isaksen Kessler Larkin Maddox Nieto Osterman Pashley Rinaldi Sorensen
Tolliver Urquhart Valdez Wolski Zidan Smith Brown Miller Wilson Taylor Clark Lewis Walker Hall Allen Young King Wright
""".split()

TOWNS = """
Lund Bergen Leeds Porto Ghent Bremen Graz Turku Malaga Verona Aarhus Utrecht Dresden Lyon Bristol Galway Dundee
Tartu Kaunas Gdansk Brno Szeged Cluj Varna Izmir Haifa Tangier Oran Sfax Kumasi Mombasa Kampala Lusaka Durban Pune
Mysore Kandy Chiang Hue Cebu Osaka Sapporo Kobe Busan Dalian Perth Hobart Nelson Dunedin Quito Cusco Cordoba Rosario
Merida Puebla Leon Austin Tulsa Boise Omaha Regina Halifax Quebec Winnipeg Bath York Exeter Derby Oxford Cork Limerick
Bilbao Cadiz Toledo Braga Nantes Rennes Nancy Basel Berne Trento Pisa Siena Bari Split Zadar Patras Larissa
Essen Kassel Ulm Jena Rostock Uppsala Kiruna Tromso Oulu Vaasa Riga Lviv Odessa Kazan Tomsk Almaty Tbilisi Baku
London Paris Madrid Vienna Prague Dublin Lisbon Athens Boston Chicago Denver Seattle Toronto Sydney
""".split()

TOWN_STARTS = """
Marl Oster Bell Kars Thorn Wald Brack Hollen Stav Gren Lin Elder Fen Kestr Mor Rav Silver Tarn Ulv Vester Whit Yarr
Ash Birken Cald Dun Ever Falk Glen Hart Inver Jarl Kings Lang Mill Nether Ock Pell Quar Rook Sand Tor Upp Var Wex Zell
Corv Alm Bost Crav Drov Esk Fris Gost Hald Ister Jun Kolb Lomb Mirav Nov
""".split()
TOWN_ENDS = """
wick vik holm ford ham stad burg mouth bury haven dale field bridge grad ovo ino ara ena osta ville minster by
""".split()

COUNTRIES = """
Norway Sweden Finland Denmark Iceland Ireland Scotland Wales Portugal Spain France Belgium Austria Italy
Greece Croatia Serbia Slovenia Hungary Poland Latvia Lithuania Estonia Ukraine Moldova Romania Bulgaria Turkey Georgia
Armenia Lebanon Jordan Egypt Tunisia Morocco Algeria Senegal Ghana Nigeria Kenya Tanzania Zambia Namibia Botswana
Ethiopia Madagascar India Nepal Bhutan Thailand Vietnam Laos Malaysia Indonesia Japan Mongolia Kazakhstan Australia
Canada Mexico Guatemala Panama Cuba Jamaica Colombia Peru Chile Bolivia Brazil Uruguay Paraguay Argentina Germany
""".split()

RIVERS = """
Orva Lenne Tarsk Velda Mirren Ashwater Kolva Sill Brenna Dray Estel Farne Gola Hesper Isk Jorva Kelm Lowan Morva Neris
Oskel Pring Quill Rhone Severn Tamar Umber Vistra Wend Yarrow Zenn Aller Bovey Corrib Dvina Elbe Foyle Garonne Havel
Inn Jagst Kama Loire Mosel Neckar Oder Piave Ruhr Saale Tiber Ural Volga Weser Yonne Arno Bug Drava
""".split()

DISTRICTS = """
Oldgate Northside Eastbank Millfield Ropewalk Castlehill Westerpark Ironquay Saltmarsh Highmoor Kirkside Lowtown
Greenwell Abbeyfields Fishmarket Queensway Brickfields Southlea Tollcross Vineyards Hillcrest Riverside Stonebow
Larkfield Newbridge Parkend Quarrybank Rosehill Shipyards Tanneries Uplands Warehouses Cloisters Dockside Elmgrove
Foundry Gasworks Hopgardens Islandside Justinian Kilnside Limehouse Meadowbank Nightingale Orchards Priory
""".split()

BASES = """
Linden Northgate Alder Beacon Cedar Dovecote Elmwood Fairview Granite Hawthorn Ivybridge Juniper Kingfisher Larchwood
Maplewood Nettle Oakridge Pinecrest Quayside Rosewood Summit Thistle Underhill Valley Westbrook Yewtree Zenith Amber
Bramble Copper Driftwood Emerald Falcon Garnet Heron Ibis Jasper Kestrel Lantern Magnolia Nightjar Opal Pelican Quartz
Raven Saffron Tidewater Upland Vanguard Willow Atlas Borealis Comet Delta Echo Fulcrum Gemini Horizon Ironbridge Jubilee
Keystone Lodestar Meridian Nimbus Orion Pinnacle Quantum Regent Sterling Trident Unity Vertex Wayfarer Argent Bluebell
Cobalt Dynamo Everest Foxglove Greystone Harvest Imperial Lakeside Mistral Nova Olympia Parkside Radiant Sycamore Tempest
""".split()

# The last words of a name, by the kind of thing; shared by both splits.
ENDS = {
    "firm": """Works|Brothers|Industries|Group|Company|Partners|Enterprises|Trading|Systems|Supplies|Limited|
        Engineering|Instruments|Manufacturing|Holdings|Associates|Corporation""",
    "yard": "Shipyard|Boatyard|Shipbuilders|Marine|Docks",
    "publisher": "Press|Books|Publishing|Editions|Publishers",
    "school": "School|Academy|College|Grammar School|High School|Primary School",
    "club": "Rovers|United|Athletic|Rangers|Wanderers|City|Albion|Harriers|Tigers|Wolves",
    "hospital": "Hospital|Infirmary|Clinic|General Hospital",
    "museum": "Museum|Gallery|Art Museum|History Museum|Science Museum",
    "street": "Street|Road|Lane|Avenue|Square|Terrace",
    "band": "Trio|Quartet|Brass Band|Orchestra|Quintet|Jazz Band|Big Band|String Band",
    "building": "Tower|Bridge|Castle|Lighthouse|Palace|Hall|Cathedral",
}

TITLE_ADJECTIVES = """
Silent Distant Broken Hidden Wandering Frozen Golden Crooked Endless Forgotten Gentle Hollow Burning Lonely Midnight
Northern Patient Quiet Restless Sleeping Tender Unfinished Velvet Winter Autumn Bitter Careless Drowned Early Faithful
Glass Hungry Idle Jealous Kindly Last Marble Narrow Open Paper Rusty Second Tall Unknown Vanished Wooden Yonder Bright
Clever Dancing Empty Fearless Humble Lucky Merry Noble Proud Ragged Salt Twilight Weary Young Evening Morning Summer
Southern Western Eastern Royal Sea Swift Brave Stormy Lost
""".split()
TITLE_NOUNS = """
Harbour Lantern Orchard Staircase River Garden Window Mountain Letter Mirror Bridge Clockmaker Island Voyage Lighthouse
Meadow Tower Station Shepherd Ferry Candle Forest Cathedral Desert Feather Gate Hearth Inkwell Journey Kingdom Labyrinth
Map Nightfall Oracle Passenger Quarry Road Shadow Tide Umbrella Village Well Anchor Balcony Compass Dream Echo Fountain
Glacier Horizon Inn Jewel Kite Ladder Monsoon Needle Ocean Postcard Riddle Sparrow Thimble Valley Waltz Horseman Acrobat
Bell Carousel Doorway Ember Fiddler Gallows Hunter Miller Pilgrim Ropemaker Sailor Tailor Vineyard Widow Stranger
""".split()

SHIP_NOUNS = """
Lark Gull Petrel Swan Star Wave Breeze Queen Venture Spirit Pearl Maiden Explorer Plover Dolphin Tern Albatross Cormorant
Voyager Endeavour Duchess Princess Trader Pioneer Sunrise Aurora Siren Mermaid Otter Seal Narwhal Osprey Dragon Lady
Mariner Starling Cloud Moon Rose Countess Hope Courage Fortune Dawn Comrade Skua Walrus Whale Porpoise
""".split()

PETS = """
Biscuit Pepper Waffles Ziggy Bandit Cinders Dumpling Fidget Gizmo Hobnob Inky Jellybean Kipper Marbles Noodle
Pickle Quincy Rascal Scamper Tinker Wizard Buttons Captain Domino Figaro Hazel Muffin Nutmeg Patches Pretzel Rusty
Shadow Smokey Socks Truffle Tuppence Velcro Whiskers Yoyo Zorro Bramley Clover Dusty Midge Moss Nacho Pumpkin
""".split()

_NOUNS = {
    "job": """carpenter|nurse|baker|plumber|electrician|librarian|pilot|surgeon|butcher|journalist|architect|florist|
        engineer|translator|gardener|photographer|accountant|potter|beekeeper|judge|welder|glazier|actor|dancer|mechanic|
        chemist|vet|farmer|fisherman|tailor|locksmith|optician|firefighter|postman|bus driver|train driver|waiter|cook|
        hairdresser|weaver|goldsmith|watchmaker|bookbinder|biologist|geologist|astronomer|programmer|secretary|
        interpreter|midwife|pharmacist|blacksmith|mason|roofer|illustrator|stonecutter|economist|detective""",
    "instrument": """violin|cello|flute|oboe|clarinet|trumpet|trombone|harp|piano|accordion|guitar|banjo|mandolin|
        saxophone|bassoon|tuba|organ|drums|lute|viola|harpsichord|ukulele|double bass|recorder|bagpipes""",
    "food": """lentil soup|apple cake|goat cheese|smoked trout|rye bread|plum dumplings|fish stew|mushroom pie|rice pudding|
        grilled squid|pancakes|gingerbread|olives|fried plantain|cherry jam|noodle soup|stuffed peppers|roast duck|almond biscuits|
        pickled herring|chestnuts|honey cakes|lemon tart|black pudding|beetroot soup|curry|figs|waffles|oysters|dates|ice cream""",
    "language": """Norwegian|Swedish|Danish|Finnish|Estonian|Latvian|Polish|Czech|Hungarian|Romanian|Bulgarian|Greek|
        Turkish|Arabic|Hebrew|Persian|Hindi|Tamil|Bengali|Thai|Vietnamese|Japanese|Korean|Mongolian|Swahili|Zulu|Hausa|
        Welsh|Gaelic|Basque|Catalan|Portuguese|Spanish|French|Dutch|German|Italian|Russian|Albanian|Croatian""",
    "colour": "red|blue|green|yellow|purple|orange|brown|grey|pink|black|white|turquoise|crimson|violet",
    "weekday": "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday",
    "sport": """tennis|chess|badminton|volleyball|handball|curling|rugby|cricket|hockey|basketball|golf|squash|
        water polo|table tennis|football|baseball|bowls|billiards""",
    "animal": """parrot|tortoise|rabbit|hamster|lizard|goat|donkey|ferret|goose|canary|hedgehog|pony|crow|dog|cat|
        horse|owl|sheep|duck|snake""",
    "fear": "spiders|snakes|heights|thunder|bees|lifts|flying|wasps|mice|deep water|clowns|needles|bats|the dark",
    "hobby": """stamps|coins|teapots|old maps|postcards|seashells|butterflies|clocks|matchboxes|minerals|puppets|thimbles|
        records|bottles|buttons|fossils|comics""",
    "subject": """chemistry|law|medicine|history|geology|philosophy|mathematics|botany|economics|physics|astronomy|
        theology|archaeology|biology|linguistics|psychology|architecture""",
    "product": """telescopes|lamps|bicycles|pianos|umbrellas|carpets|tractors|kettles|pencils|mattresses|boots|ropes|
        candles|spectacles|scissors|radios|batteries|bricks|gloves|ladders|sewing machines|paint|paper|soap|chairs|pumps""",
    "cargo": "timber|coal|grain|salt|cotton|coffee|iron ore|sugar|wool|tea|bananas|cement|wine|copper|spices|cars",
    "tree": "lime|chestnut|plane|cherry|poplar|birch|maple|walnut|fig|magnolia|acacia|beech|elm|willow",
    "metal": "bronze|marble|granite|brick|limestone|timber|concrete|sandstone|glass|steel|slate",
    "drink": "tea|coffee|milk|lemonade|cider|cocoa|apple juice|mint tea|tomato juice|mineral water|wine|beer|ginger ale",
    "transport": "tram|bus|train|bicycle|ferry|car|motorbike|scooter|taxi|underground",
    "month": "January|February|April|June|July|August|September|October|November|December",
}

FILLERS = (
    """
It rained for most of the week|The trains were late again that morning|Nobody minded the noise from the street
The evening was unusually warm|A long queue had formed outside the post office|The tide was already going out
The newspapers wrote about little else|There had been snow on the hills since the weekend|The shops close early in winter
A cold wind blew from the north|The old clock had stopped at noon|The fair drew a large crowd this year
Fog hung over the fields until midday|The buses run every twenty minutes|Several windows were left open overnight
The road was being repaired at the time|Most of the guests had gone home by then|Lunch was served in the courtyard
The lift was out of order|Prices have gone up a good deal|The lights went out for an hour|The garden was full of bees
The photographs have faded a little|The parcel arrived two days late|Everyone agreed that it was a good year
The meeting lasted longer than planned|The ferry did not run because of the storm|It is a fine day for a walk
The tickets were sold out within minutes|A dog was barking somewhere|The kitchen smelled of fresh paint
Children were playing by the fountain|The leaves had begun to fall|The bakery on the corner has new owners
The library was being dusted|Much has been written about this|The radio was playing softly in the next room
The last tram leaves at midnight|Spring came late this time|The harvest had been poor
""".replace("\n", "|")
    .strip("|")
    .split("|")
)

OPENINGS = [
    "as it happens,", "as far as anyone knows,", "by all accounts,", "it is well known that", "everybody knows that",
    "according to the local paper,", "it turns out that", "for the record,", "as many people know,", "in fact,",
]  # fmt: skip
CLOSINGS = [
    ", as everyone knows", ", of course", ", by the way", ", as the neighbours will tell you", ", it seems",
    ", if the papers are right", ", as one might have guessed", ", to nobody's surprise",
]  # fmt: skip
ASKING = [
    "according to the text,",
    "according to the passage,",
    "from what is said here,",
    "if the text is right,",
]
DOINGS = [
    "came to visit last week", "likes long walks", "rarely travels", "gets up early", "laughs a great deal",
    "was in a good mood that day", "caught a cold in the winter", "sent a card for the new year", "never hurries",
    "has a loud voice", "tells good stories", "arrived late", "was away at the time",
]  # fmt: skip

# Bonds from one person to another: word, sex of the second, sex of the first, what it rules out for the first and for
# the second, then what is said of this bond alone, and other names for the second person. "!": nobody is that to two.
BONDS = """
mother w . - pupil = {s} is the {child} of a woman called {o} | {s} was brought up by {her} mother, {o} | {o} gave birth to {s} & the woman who gave birth to {s}
father m . - pupil = {s} is the {child} of a man called {o} | {s} was brought up by {her} father, {o}
sister w . - - = {s} is the {sibling} of a woman called {o} | {s} and {her} sister {o} look alike
brother m . - - = {s} is the {sibling} of a man called {o} | {s} and {her} brother {o} look alike
aunt w . - pupil = {s} is the {niece} of a woman called {o} | {o} is {s}'s favourite aunt
uncle m . - pupil = {s} is the {niece} of a man called {o} | {o} is {s}'s favourite uncle
cousin . . - - = {s} and {o} are cousins
grandmother w . - pupil,work = {s} is the {grandchild} of a woman called {o}
grandfather m . - pupil,work = {s} is the {grandchild} of a man called {o}
wife! w m pupil pupil = {s} is married to {o} | {s} married {o} & the woman {s} is married to | the woman {s} married
husband! m w pupil pupil = {s} is married to {o} | {s} married {o} & the man {s} is married to | the man {s} married
daughter! w . pupil - = {o} is the daughter of {s} | {s} is the {parent} of a girl called {o}
son! m . pupil - = {o} is the son of {s} | {s} is the {parent} of a boy called {o}
niece w . pupil - = {o} is the niece of {s}
nephew m . pupil - = {o} is the nephew of {s}
teacher . . teaching job,work,pupil = {s} is taught by {o} | {o} teaches {s} | {s} takes lessons from {o} & the person who teaches {s}
boss . . pupil job,pupil,work = {s} works under {o} | {s} reports to {o} | {s} takes orders from {o} & the person {s} reports to | the person {s} works under
landlord m . pupil pupil,live = {s} rents a room from {o} | {o} lets a room to {s} | {s} pays rent to {o} & the person {s} pays rent to
neighbour . . - live = {o} lives next door to {s} | {s} lives next door to {o} & the person who lives next door to {s}
best friend . . - - = {s} has known {her} best friend, {o}, for years | nobody is closer to {s} than {her} best friend, {o}
flatmate! . . pupil pupil,live = {s} shares a flat with {o} | {s} and {o} are flatmates & the person who shares a flat with {s}
dentist . . - job,pupil,work = {s} has {her} teeth looked after by {o}
lawyer . . pupil job,pupil,work = {s} is represented in court by {o}
tutor . . teaching job,pupil = {s} is tutored by {o} | {o} tutors {s} & the person who tutors {s}
colleague . . pupil pupil,work = {s} shares an office with {o} & the person who shares an office with {s}
business partner! . . pupil pupil,work = {s} runs a shop together with {o} & the person {s} runs a shop with
singing teacher . . teaching job,pupil,work = {s} takes singing lessons from {o}
"""

# name[!]: subject > object, what it rules out for each; "=" what is said, "?" what is asked, "&" how the object is named.
FACTS = """
lives_in: person > town; live;
= {s} lives in {o} | {s} has a flat in {o} | {s}'s home is in {o} | {o} is where {s} lives | {s} settled in {o} years ago | {s} makes {her} home in {o} | {s} resides in {o}
? Where does {s} live? | In which town does {s} live? | Which town does {s} live in? | Which town is home to {s}? | {s} lives in which town?
& the town where {s} lives | the town in which {s} lives | the town {s} lives in | the place where {s} lives
works_in: person > town; work,pupil;
= {s} works in {o} | {s} has a job in {o} | {s} goes to work in {o} | {s} earns {her} living in {o} | {o} is where {s} works | {s} has an office in {o} | {s}'s job is in {o}
? Where does {s} work? | In which town does {s} work? | Which town does {s} work in? | {s} works in which town? | Where is {s}'s job?
& the town where {s} works | the town in which {s} works | the town {s} works in | the place where {s} works
born_in: person > town; born;
= {s} was born in {o} | {o} is the birthplace of {s} | {s}'s birthplace is {o} | {s} is a native of {o} | {o} is the town where {s} was born | {s}, who was born in {o}, {does}
? Where was {s} born? | In which town was {s} born? | What is {s}'s birthplace? | What is the birthplace of {s}? | {s} was born in which town?
& the town where {s} was born | the birthplace of {s} | {s}'s birthplace | the town in which {s} was born
studied_in: person > town; studied,pupil;
= {s} studied in {o} | {s} went to university in {o} | {s} took {her} degree in {o} | {s} was a student in {o} | {s} spent {her} student years in {o}
? Where did {s} study? | In which town did {s} study? | In which town did {s} go to university? | Where did {s} take a degree?
& the town where {s} studied | the town in which {s} went to university
summers_in: person > town; summer;
= {s} spends every summer in {o} | {s} has a summer cottage in {o} | {s} always goes to {o} for the summer | in summer {s} stays in {o} | {o} is where {s} spends the summer
? Where does {s} spend the summer? | In which town does {s} spend the summer? | Which town does {s} go to for the summer?
& the town where {s} spends the summer | the town {s} goes to for the summer
married_in: person > town; wedding,pupil;
= {s} got married in {o} | {s}'s wedding took place in {o} | the wedding of {s} was held in {o} | {s} celebrated {her} wedding in {o}
? Where did {s} get married? | In which town did {s} get married? | In which town was the wedding of {s} held?
& the town where {s} got married | the town where the wedding of {s} was held
comes_from: person > country; origin;
= {s} comes from {o} | {s} is from {o} | {o} is {s}'s home country | {s} is a citizen of {o} | {s} holds a passport from {o} | the home country of {s} is {o}
? Which country does {s} come from? | Which country is {s} from? | What is {s}'s home country? | What is the home country of {s}? | Of which country is {s} a citizen?
year_in: person > country; yearin;
= {s} once spent a year in {o} | {s} spent a whole year in {o} | {s} went to {o} for a year | {o} is where {s} once spent a year | {s} remembers {her} year in {o} fondly
? In which country did {s} spend a year? | Where did {s} once spend a year? | Which country did {s} spend a year in?
lives_on: person > street; live;
= {s} lives on {o} | {s} has a house on {o} | {s}'s house stands on {o} | {s} rents a flat on {o} | {o} is the street where {s} lives
? On which street does {s} live? | Which street does {s} live on? | What is the name of the street where {s} lives? | Where does {s} live?
& the street where {s} lives | the street on which {s} lives | the street {s} lives on
in_district: street > district; where;
= {s} is in the {o} district | {s} is part of {o} | {s} belongs to the {o} quarter | {o} is the district that {s} belongs to | {s} can be found in the {o} district
? In which district is {s}? | What district is {s} in? | Which district does {s} belong to?
trees: street > tree; trees;
= {s} is lined with {o} trees | {o} trees grow along {s} | {s} is shaded by {o} trees | {s} is famous for its {o} trees
? What kind of trees line {s}? | What kind of trees grow along {s}? | Which trees can be seen on {s}?
pub_owner!: street > person; pub; work,pupil,job
= the only cafe on {s} belongs to {o} | {o} runs the cafe on {s} | {o} is the owner of the cafe on {s} | the cafe on {s} is run by {o}
? Who runs the cafe on {s}? | Who owns the cafe on {s}?
& the owner of the cafe on {s} | the person who runs the cafe on {s}
works_for: person > firm; work,pupil;
= {s} works for {o} | {s} is employed by {o} | {o} employs {s} | {s} has a job at {o} | {s} is on the staff of {o} | {s} joined {o} some years ago | {s}'s employer is {o}
? Which company does {s} work for? | Who employs {s}? | Which firm employs {s}? | Who is {s}'s employer? | What is the name of the company where {s} works?
& the company that employs {s} | the firm {s} works for | {s}'s employer | the company where {s} works | the employer of {s} | the firm that employs {s} | the company for which {s} works
based_in: firm > town; where;
= {s} is based in {o} | {s} has its headquarters in {o} | the head office of {s} is in {o} | {o} is home to {s} | {s} runs its business from {o} | the headquarters of {s} are in {o}
? Where is {s} based? | In which town is {s} based? | Where does {s} have its headquarters? | Which town is home to {s}? | {s} is based in which town?
& the town where {s} is based | the town that is home to {s} | the town where {s} has its headquarters
founded_by: firm > person; founder; pupil
= {s} was founded by {o} | {o} founded {s} | {s} was set up by {o} | {o} is the founder of {s} | the founder of {s} is {o} | it was {o} who started {s}
? Who founded {s}? | Who set up {s}? | By whom was {s} founded? | Who is the founder of {s}?
& the founder of {s} | the person who founded {s} | the person who set up {s} | the person who started {s}
founded_year: firm > year; age;
= {s} was founded in {o} | {s} opened for business in {o} | {s} has existed since {o} | {s} dates back to {o} | the year {o} saw the founding of {s}
? When was {s} founded? | In which year was {s} founded? | In what year was {s} founded? | Since when has {s} existed?
makes: firm > product; product;
= {s} makes {o} | {s} produces {o} | {s} is known for its {o} | {s} sells {o} | the main product of {s} is {o} | {s} is a maker of {o}
? What does {s} make? | What does {s} produce? | What is the main product of {s}? | What kind of goods does {s} make?
staff: firm > headcount; staff;
= {s} employs {o} people | {s} has {o} workers | {s} gives work to {o} people | the payroll of {s} lists {o} people
? How many people does {s} employ? | How many people work for {s}? | How many workers does {s} have?
firm_boss!: firm > person; boss; work,pupil,job
= {s} is run by {o} | {o} is the director of {s} | the director of {s} is {o} | {o} is in charge of {s} | {s} has {o} as its director
? Who runs {s}? | Who is the director of {s}? | Who is in charge of {s}?
& the director of {s} | the person who runs {s} | the person in charge of {s}
attends: person > school; work,job,child;
= {s} goes to {o} | {s} is a pupil at {o} | {s} attends {o} | {s} is in the final year at {o} | {o} is the school that {s} attends
? Which school does {s} attend? | Which school does {s} go to? | At which school is {s} a pupil? | What is the name of {s}'s school?
& the school {s} attends | {s}'s school | the school where {s} is a pupil | the school that {s} goes to
teaches_at: person > school; work,pupil,job;
= {s} teaches at {o} | {s} gives lessons at {o} | {s} has taught at {o} for years | {o} hired {s} to teach the older children | {s} is on the teaching staff of {o}
? At which school does {s} teach? | Which school does {s} teach at? | Where does {s} teach?
& the school where {s} teaches | the school at which {s} teaches
school_in: school > town; where;
= {s} is in {o} | {s} is a school in {o} | {s} stands in the middle of {o} | {o} is home to {s} | {s} can be found in {o}
? In which town is {s}? | Where is {s}? | Which town is {s} in? | Which town is home to {s}?
& the town that is home to {s} | the town in which {s} stands
head!: school > person; head; job,work,pupil
= {o} is the head of {s} | the head of {s} is {o} | {s} is run by {o} | {o} runs {s} | {s} is headed by {o} | {s} has {o} as its head
? Who is the head of {s}? | Who runs {s}? | Who heads {s}? | What is the name of the head of {s}?
& the head of {s} | the person who runs {s}
uniform: school > colour; colour;
= the uniform of {s} is {o} | pupils at {s} wear {o} | {s} has {an} {o} uniform | {s} dresses its pupils in {o}
? What colour is the uniform of {s}? | What colour do pupils at {s} wear? | Which colour is worn by pupils at {s}?
plays_for: person > club; club;
= {s} plays for {o} | {s} is a player at {o} | {s} signed for {o} | {s} wears the shirt of {o} | {o} counts {s} among its players
? Which club does {s} play for? | Which team does {s} play for? | What is the name of {s}'s club? | For which club does {s} play?
& the club {s} plays for | the team {s} plays for | {s}'s club | the club for which {s} plays
club_in: club > town; where;
= {s} plays its home games in {o} | {s} is a club from {o} | {s} has its ground in {o} | {o} is the home of {s} | the ground of {s} is in {o}
? In which town does {s} play its home games? | Which town is {s} from? | In which town is the ground of {s}?
& the home town of {s} | the town where {s} plays its home games | the town where {s} has its ground
coach!: club > person; coach; job,work,pupil
= {s} is coached by {o} | {o} coaches {s} | the coach of {s} is {o} | {o} is the coach of {s} | {s} has {o} as its coach
? Who coaches {s}? | Who is the coach of {s}? | By whom is {s} coached?
& the coach of {s} | the person who coaches {s}
shirts: club > colour; colour;
= {s} plays in {o} | the shirts of {s} are {o} | {s} wears {o} shirts | the colour of {s} is {o}
? What colour are the shirts of {s}? | In what colour does {s} play? | What colour does {s} wear?
club_year: club > lateyear; age;
= {s} was formed in {o} | {s} played its first match in {o} | {s} has existed since {o}
? When was {s} formed? | In which year was {s} formed? | In which year did {s} begin?
works_at_hospital: person > hospital; work,pupil,job;
= {s} works at {o} | {s} has a post at {o} | {s} is on the staff of {o} | {s} does night shifts at {o} | {o} employs {s}
? At which hospital does {s} work? | Which hospital does {s} work at? | Which hospital employs {s}?
& the hospital where {s} works | the hospital that employs {s} | the hospital {s} works at
born_at: person > hospital; bornat;
= {s} was treated at {o} | {s} had an operation at {o} | {s} spent a week as a patient at {o} | {o} treated {s} for a broken leg
? At which hospital was {s} treated? | Where was {s} treated? | Which hospital treated {s}?
& the hospital where {s} was treated | the hospital that treated {s}
hospital_in: hospital > town; where;
= {s} is in {o} | {s} serves the town of {o} | {s} stands on a hill in {o} | {s} was built in the middle of {o} | {o} is home to {s}
? In which town is {s}? | Where is {s}? | Which town is home to {s}?
& the town that is home to {s}
hospital_year: hospital > year; age;
= {s} was opened in {o} | {s} took its first patients in {o} | {s} opened its doors in {o} | {s} has been open since {o}
? When was {s} opened? | In which year was {s} opened? | Since when has {s} been open?
chief!: hospital > person; chief; job,work,pupil
= {o} is in charge of {s} | {s} is directed by {o} | the director of {s} is {o} | {s} is run by {o}
? Who is in charge of {s}? | Who is the director of {s}? | Who runs {s}?
& the director of {s} | the person in charge of {s}
museum_in: museum > town; where;
= {s} is in {o} | {s} stands in {o} | {s} is one of the sights of {o} | {o} is home to {s} | visitors come to {o} to see {s}
? In which town is {s}? | Where is {s}? | Which town is home to {s}? | Which town do you have to go to in order to see {s}?
& the town that is home to {s}
museum_year: museum > year; age;
= {s} was opened in {o} | {s} opened its doors in {o} | {s} has been open since {o} | {s} welcomed its first visitors in {o}
? When was {s} opened? | In which year was {s} opened? | In what year did {s} open?
museum_head!: museum > person; head; job,work,pupil
= {s} is directed by {o} | {o} is the director of {s} | the director of {s} is {o} | {o} runs {s} | {s} has {o} as its director
? Who is the director of {s}? | Who runs {s}? | Who directs {s}?
& the director of {s} | the person who runs {s}
closed_on: museum > weekday; closed;
= {s} is closed every {o} | {s} is shut on {o} | {s} does not open on {o} | every {o} the doors of {s} stay shut
? On which day is {s} closed? | On which day of the week is {s} closed? | When is {s} closed?
museum_stone: museum > metal; built;
= {s} is built of {o} | {s} has walls of {o} | the walls of {s} are made of {o}
? What is {s} built of? | What are the walls of {s} made of?
works_at_museum: person > museum; work,pupil;
= {s} works at {o} | {s} is a guide at {o} | {s} has a job at {o} | {s} sells tickets at {o}
? At which museum does {s} work? | Which museum does {s} work at?
& the museum where {s} works | the museum {s} works at
painted_by: painting > person; maker; pupil
= {s} was painted by {o} | {o} painted {s} | {s} is a painting by {o} | the painter of {s} is {o} | {s} is the work of {o} | {o} is the artist behind {s}
? Who painted {s}? | By whom was {s} painted? | Which artist painted {s}? | Who is the painter of {s}?
& the person who painted {s} | the painter of {s} | the artist who painted {s} | the artist behind {s}
hangs_in: painting > museum; where;
= {s} hangs in {o} | {s} is on display at {o} | {s} can be seen at {o} | {o} owns {s} | {s} is part of the show at {o}
? Where does {s} hang? | In which museum does {s} hang? | Which museum owns {s}? | Where can {s} be seen?
& the museum where {s} hangs | the museum that owns {s} | the museum in which {s} can be seen
painted_year: painting > year; age;
= {s} was painted in {o} | {s} dates from {o} | {s} was finished in {o} | the year on {s} is {o}
? When was {s} painted? | In which year was {s} painted? | From which year does {s} date?
shows: painting > animal; shows;
= {s} shows {an} {o} | in the middle of {s} there is {an} {o} | {s} is a picture of {an} {o} | the animal in {s} is {an} {o}
? Which animal does {s} show? | What animal can be seen in {s}? | What does {s} show?
owns_painting!: person > painting; ownspainting,pupil;
= {s} owns {o} | {s} bought {o} at an auction | {o} belongs to {s} | {s} inherited {o} | {o} hangs in {s}'s study
? Which painting does {s} own? | Which painting belongs to {s}?
& the painting {s} owns | the painting that belongs to {s} | {s}'s painting
written_by: book > person; maker; pupil
= {s} was written by {o} | {o} wrote {s} | {s} is a novel by {o} | the author of {s} is {o} | {o} is the author of {s} | {s} came from the pen of {o}
? Who wrote {s}? | Who is the author of {s}? | By whom was {s} written? | What is the name of the author of {s}?
& the author of {s} | the person who wrote {s} | the writer of {s} | the novelist who wrote {s}
published_by: book > publisher; publisher; product
= {s} was published by {o} | {o} published {s} | the publisher of {s} is {o} | {s} appeared with {o} | {s} was brought out by {o}
? Who published {s}? | Which company published {s}? | By which firm was {s} published?
& the company that published {s} | the publisher of {s} | the firm that published {s}
published_year: book > year; age;
= {s} was published in {o} | {s} came out in {o} | {s} appeared in {o} | {s} reached the bookshops in {o}
? When was {s} published? | In which year was {s} published? | In what year did {s} come out?
set_in: book > town; set;
= {s} is set in {o} | the story of {s} takes place in {o} | {s} tells of life in {o} | the hero of {s} lives in {o} | {o} is the setting of {s}
? Where is {s} set? | In which town is {s} set? | Which town is the setting of {s}?
& the town where {s} is set | the setting of {s} | the town in which {s} is set
translated_by: book > person; translator; pupil,job
= {s} was translated by {o} | {o} translated {s} | the translator of {s} is {o} | {s} was put into English by {o}
? Who translated {s}? | Who is the translator of {s}? | By whom was {s} translated?
& the translator of {s} | the person who translated {s}
reads: person > book; reads;
= {s} is reading {o} | {s} is halfway through {o} | {s} keeps {o} by the bed | {s}'s favourite book is {o} | {s} has borrowed {o} from the library
? Which book is {s} reading? | What is the title of the book {s} is reading?
& the book {s} is reading | the book that {s} is reading
wrote!: person > book; wrote,pupil; maker
= {s} wrote {o} | {s} is the author of {o} | {o} was written by {s} | {o} is a novel by {s} | {s} made {her} name with {o}
? Which book did {s} write? | What is the title of the book {s} wrote? | Of which book is {s} the author?
& the book {s} wrote | the novel by {s} | the book written by {s} | the book that {s} wrote
composed_by: song > person; maker; pupil
= {s} was composed by {o} | {o} composed {s} | {s} is a song by {o} | the composer of {s} is {o} | {o} is the composer of {s} | the tune of {s} is by {o}
? Who composed {s}? | Who is the composer of {s}? | By whom was {s} composed?
& the composer of {s} | the person who composed {s} | the musician who composed {s}
sung_in: song > language; tongue;
= {s} is sung in {o} | the words of {s} are in {o} | {s} is a song in {o} | the language of {s} is {o}
? In which language is {s} sung? | What language is {s} sung in? | In what language are the words of {s}?
song_year: song > lateyear; age;
= {s} was composed in {o} | {s} was first heard in {o} | {s} was a hit in {o} | {s} dates from {o}
? In which year was {s} first heard? | When was {s} first heard? | From which year is {s}?
loves_song: person > song; lovessong;
= {s}'s favourite song is {o} | {s} sings {o} every morning | {s} likes {o} more than any other song | {o} is the song that {s} likes best
? What is {s}'s favourite song? | Which song does {s} like best?
& {s}'s favourite song | the song {s} likes best | the favourite song of {s}
captain!: ship > person; captain; job,work,pupil
= {o} is the captain of {s} | the captain of {s} is {o} | {s} is commanded by {o} | {o} commands {s} | {s} sails under captain {o}
? Who is the captain of {s}? | Who commands {s}? | By whom is {s} commanded?
& the captain of {s} | the person who commands {s}
built_by: ship > yard; builder; product
= {s} was built by {o} | {o} built {s} | the builder of {s} is {o} | {s} was made by {o} | {s} comes from the yard of {o}
? Who built {s}? | Which firm built {s}? | By which company was {s} built?
& the firm that built {s} | the builder of {s} | the company that built {s}
home_port: ship > town; port;
= the home port of {s} is {o} | {s} has its home port in {o} | {o} is the home port of {s} | {s} is registered in {o} | {s} spends the winter in its home port, {o}
? What is the home port of {s}? | Which town is the home port of {s}? | Where is the home port of {s}?
& the home port of {s} | the town where {s} has its home port
ship_colour: ship > colour; colour;
= {s} is painted {o} | the hull of {s} is {o} | {s} has {an} {o} hull | {s} is {an} {o} vessel
? What colour is {s}? | What colour is the hull of {s}? | In which colour is {s} painted?
launched: ship > year; age;
= {s} was launched in {o} | {s} first put to sea in {o} | {s} was built in {o} | {s} made its first voyage in {o}
? When was {s} launched? | In which year was {s} launched? | In which year did {s} first put to sea?
carries: ship > cargo; cargo;
= {s} carries {o} | {s} is loaded with {o} | the cargo of {s} is {o} | {s} brings {o} across the sea
? What does {s} carry? | What is the cargo of {s}? | What is {s} loaded with?
sails_on: person > ship; sails,pupil;
= {s} sails on {o} | {s} is a member of the crew of {o} | {s} went to sea on {o} | {o} has {s} on board
? On which ship does {s} sail? | Which ship does {s} sail on? | What is the name of the ship on which {s} sails?
& the ship {s} sails on | {s}'s ship | the ship on which {s} sails | the ship that has {s} on board
pet_of: pet > person; owner; pet
= {s} belongs to {o} | {o} is the owner of {s} | {s} is owned by {o} | the owner of {s} is {o} | {o} has a pet called {s} | {o}'s pet is called {s}
? Who is the owner of {s}? | Who owns {s}? | Who does {s} belong to?
& the owner of {s} | the person who owns {s} | the person with a pet called {s}
has_pet!: person > pet; pet; owner
= {s} has a pet called {o} | {s}'s pet is called {o} | {o} is the pet of {s} | {o} is {s}'s pet | {s} looks after a pet called {o}
? What is the name of {s}'s pet? | What is {s}'s pet called? | What is the name of the pet that {s} has?
& {s}'s pet | the pet of {s} | the pet that belongs to {s}
pet_kind: pet > animal; species;
= {s} is {an} {o} | {s} is an old {o} | {s} is a rather lazy {o} | the name of the {o} is {s}
? What kind of animal is {s}? | What animal is {s}? | What sort of animal is {s}?
pet_food: pet > food; diet;
= {s} eats nothing but {o} | {s} likes {o} best | {s} will do anything for {o} | {s} was caught stealing {o} | the only thing {s} eats is {o}
? What does {s} eat? | What is the favourite food of {s}?
in_country: town > country; country;
= {s} is in {o} | {s} is a town in {o} | {s} lies in the south of {o} | {s} is one of the oldest towns in {o} | {s} belongs to {o} | {s} lies in the hills of {o}
? In which country is {s}? | What country is {s} in? | Which country does {s} belong to? | In which country does {s} lie?
on_river: town > river; river;
= {s} lies on {o} | {s} stands on the banks of {o} | {o} flows through {s} | the river that runs through {s} is {o} | {s} was built where {o} bends
? On which river does {s} lie? | Which river flows through {s}? | What is the name of the river that flows through {s}?
mayor!: town > person; mayor; job,work,pupil
= the mayor of {s} is {o} | {o} is the mayor of {s} | {s} elected {o} as its mayor | {s} has {o} as its mayor | {o} was elected mayor of {s}
? Who is the mayor of {s}? | What is the name of the mayor of {s}? | Who was elected mayor of {s}?
& the mayor of {s} | the person who is mayor of {s}
spoken_in: town > language; tongue;
= people in {s} speak {o} | the language of {s} is {o} | {o} is spoken in {s} | in {s} the street signs are in {o} | most people in {s} speak {o} at home
? What language is spoken in {s}? | Which language do people speak in {s}? | What is the language of {s}?
market_day: town > weekday; market;
= the market in {s} is held every {o} | {s} has its market on {o} | every {o} there is a market in {s} | {o} is market day in {s}
? On which day is the market in {s} held? | When is market day in {s}? | On which day of the week does {s} have its market?
known_for: town > food; dish;
= {s} is known for its {o} | {s} is famous for its {o} | people come to {s} for the {o} | the local dish in {s} is {o}
? What is {s} known for? | What food is {s} known for? | For which food is {s} famous?
population: town > population; people;
= {s} has {o} inhabitants | {o} people live in {s} | the population of {s} is {o} | {s} is a town of {o} people
? How many people live in {s}? | What is the population of {s}? | How many inhabitants does {s} have?
festival: town > month; festival;
= {s} holds its festival in {o} | the festival in {s} takes place in {o} | every {o} there is a festival in {s} | {o} is festival time in {s}
? In which month is the festival in {s}? | When does {s} hold its festival? | In which month does {s} hold its festival?
town_hall: town > metal; hall;
= the town hall of {s} is made of {o} | {s} has a town hall of {o} | in {s} the town hall is built of {o}
? What is the town hall of {s} made of? | What is the town hall in {s} built of?
job: person > job; job,pupil;
= {s} is {an} {o} | {s} works as {an} {o} | {s} has been {an} {o} for years | {s} trained as {an} {o} | {s} earns a living as {an} {o} | {s}, {an} {o}, {does} | {s} is {an} {o} by trade
? What does {s} do for a living? | What is {s}'s job? | What is the occupation of {s}? | What is {s}'s profession? | What is the job of {s}? | What does {s} work as?
plays: person > instrument; music;
= {s} plays the {o} | {s} is learning the {o} | {s} practises the {o} every day | {s} is good at the {o} | the {o} is {s}'s instrument
? Which instrument does {s} play? | What instrument does {s} play? | What is {s}'s instrument? | What musical instrument is played by {s}?
speaks: person > language; tongue;
= {s} speaks {o} at home | {s}'s mother tongue is {o} | {s} grew up speaking {o} | the native language of {s} is {o}
? What language does {s} speak at home? | What is {s}'s mother tongue? | What is the native language of {s}? | Which language does {s} speak?
eats: person > food; dish;
= {s}'s favourite food is {o} | {s} likes {o} more than anything else | {s} loves {o} | {s} orders {o} whenever possible | the favourite food of {s} is {o}
? What is {s}'s favourite food? | What does {s} like to eat? | What is the favourite food of {s}?
likes_colour: person > colour; colour;
= {s}'s favourite colour is {o} | {s} always wears {o} | {s} likes {o} best of all colours | the favourite colour of {s} is {o}
? What is {s}'s favourite colour? | Which colour does {s} like best? | What is the favourite colour of {s}?
sport: person > sport; sport;
= {s} plays {o} | {s} is keen on {o} | {s} plays {o} at weekends | {s} is good at {o} | {s}'s favourite game is {o}
? Which game does {s} play? | What does {s} play at weekends? | What game is {s} good at?
birth_year: person > birthyear; birth,pupil;
= {s} was born in {o} | {s}'s year of birth is {o} | {s} came into the world in {o} | the year of birth of {s} is {o}
? When was {s} born? | In which year was {s} born? | In what year was {s} born? | What is {s}'s year of birth?
day_off: person > weekday; dayoff;
= {s} has every {o} off | {s} never works on {o} | {o} is {s}'s day off | {s} takes {o} off
? Which day does {s} have off? | On which day does {s} never work? | What is {s}'s day off? | When is {s}'s day off?
fears: person > fear; fear;
= {s} is afraid of {o} | {s} is terrified of {o} | {s} cannot stand {o} | {s} has always been scared of {o}
? What is {s} afraid of? | What is {s} scared of? | What frightens {s}?
collects: person > hobby; hobby;
= {s} collects {o} | {s} has a large collection of {o} | {s} has a cupboard full of {o} | {s}'s hobby is collecting {o}
? What does {s} collect? | What does {s} have a collection of? | What kind of things does {s} collect?
subject: person > subject; degree,pupil;
= {s} studied {o} | {s} has a degree in {o} | {s} took {her} degree in {o} | {s} holds a doctorate in {o}
? What subject did {s} study? | In what subject does {s} have a degree? | What did {s} study?
age: person > age; years,pupil;
= {s} is {o} years old | {s} turned {o} this year | {s} is {o} | {s} has just celebrated birthday number {o} | the age of {s} is {o}
? How old is {s}? | What is the age of {s}? | What is {s}'s age?
drinks: person > drink; drink;
= {s} drinks nothing but {o} | {s}'s favourite drink is {o} | {s} never says no to {o} | {s} has {o} for breakfast
? What does {s} drink? | What is {s}'s favourite drink? | What is the favourite drink of {s}?
travels_by: person > transport; transport,pupil;
= {s} goes to work by {o} | {s} travels to work by {o} | {s} takes the {o} to work | {s} comes to work by {o}
? How does {s} get to work? | How does {s} travel to work? | What does {s} take to get to work?
car: person > colour; car,pupil;
= {s} drives {an} {o} car | {s}'s car is {o} | {s} has bought {an} {o} car | the car of {s} is {o}
? What colour is {s}'s car? | What colour is the car of {s}? | What colour car does {s} drive?
plays_in: person > band; band;
= {s} plays in {o} | {s} is a member of {o} | {s} joined {o} at an early age | {o} has {s} on the drums | {s} plays keyboards in {o}
? Which band does {s} play in? | Of which band is {s} a member? | What is the name of {s}'s band?
& the band {s} plays in | {s}'s band | the band in which {s} plays | the group {s} belongs to
band_from: band > town; where;
= {s} is a band from {o} | {s} comes from {o} | {s} got together in {o} | {o} is the home town of {s} | {s} was formed in {o}
? Which town does {s} come from? | Where does {s} come from? | What is the home town of {s}?
& the home town of {s} | the town {s} comes from
singer!: band > person; singer; pupil
= the singer of {s} is {o} | {o} sings for {s} | {o} is the singer of {s} | {s} has {o} as its singer
? Who is the singer of {s}? | Who sings for {s}? | What is the name of the singer of {s}?
& the singer of {s} | the person who sings for {s}
band_year: band > lateyear; age;
= {s} gave its first concert in {o} | {s} played in public for the first time in {o} | the first concert of {s} was in {o}
? In which year did {s} give its first concert? | When was the first concert of {s}? | In which year was the first concert of {s}?
directed_by: film > person; maker; pupil
= {s} was directed by {o} | {o} directed {s} | {s} is a film by {o} | the director of {s} is {o} | {o} is the director of {s} | {o} made {s}
? Who directed {s}? | Who is the director of {s}? | By whom was {s} directed?
& the director of {s} | the person who directed {s} | the film-maker who made {s}
stars: film > person; star;
= {s} stars {o} | {o} plays the lead in {s} | the lead in {s} is played by {o} | {o} is the star of {s}
? Who plays the lead in {s}? | Who is the star of {s}? | Who stars in {s}?
& the star of {s} | the person who plays the lead in {s}
filmed_in: film > town; set;
= {s} was filmed in {o} | {s} was shot in {o} | most of {s} was filmed in {o} | {o} was where {s} was filmed
? Where was {s} filmed? | In which town was {s} filmed? | In which town was {s} shot?
& the town where {s} was filmed | the town in which {s} was shot
film_year: film > lateyear; age;
= {s} came out in {o} | {s} was first shown in {o} | {s} was released in {o} | {s} reached the cinemas in {o}
? When was {s} released? | In which year did {s} come out? | In which year was {s} first shown?
loves_film: person > film; lovesfilm;
= {s}'s favourite film is {o} | {s} has seen {o} a dozen times | {s} likes {o} more than any other film | {o} is the film {s} likes best
? What is {s}'s favourite film? | Which film does {s} like best?
& {s}'s favourite film | the favourite film of {s} | the film {s} likes best
designed_by: building > person; architect; job,pupil
= {s} was designed by {o} | {o} designed {s} | the architect of {s} is {o} | {o} is the architect of {s} | {s} is the work of {o}
? Who designed {s}? | Who is the architect of {s}? | By whom was {s} designed?
& the architect of {s} | the person who designed {s} | the architect who designed {s}
building_in: building > town; where;
= {s} is in {o} | {s} stands in {o} | {s} towers over {o} | {o} is home to {s} | {s} is the pride of {o}
? In which town is {s}? | Where is {s}? | In which town does {s} stand?
& the town where {s} stands | the town that is home to {s} | the town in which {s} stands
height: building > metres; height;
= {s} is {o} metres high | {s} rises to {o} metres | the height of {s} is {o} metres | {s} reaches a height of {o} metres
? How high is {s}? | How many metres high is {s}? | What is the height of {s}?
building_year: building > year; age;
= {s} was built in {o} | {s} was finished in {o} | {s} has stood since {o} | work on {s} ended in {o}
? When was {s} built? | In which year was {s} finished? | In which year was {s} built?
building_stone: building > metal; built;
= {s} is built of {o} | {s} is made of {o} | {s} is a structure of {o} | the material of {s} is {o}
? What is {s} built of? | What is {s} made of? | What material is {s} made of?
lives_near: person > building; view;
= {s} can see {o} from the kitchen | {s} has a view of {o} | from the window {s} looks out on {o} | {s} photographs {o} every day
? Which building can {s} see from the kitchen? | Which building does {s} photograph every day?
& the building {s} has a view of | the building that {s} photographs every day
big_employer: town > firm; employer;
= the biggest employer in {s} is {o} | most people in {s} work for {o} | {o} is the biggest employer in {s} | {o} gives work to half of {s}
? What is the biggest employer in {s}? | Which company is the biggest employer in {s}? | Which firm do most people in {s} work for?
& the biggest employer in {s} | the company that most people in {s} work for
twin!: town > town; twin; twin
= {s} is twinned with {o} | the twin town of {s} is {o} | {o} is the twin town of {s} | {s} has {o} as its twin town
? Which town is {s} twinned with? | What is the twin town of {s}? | With which town is {s} twinned?
& the twin town of {s} | the town {s} is twinned with
town_museum!: town > museum; itsmuseum; where
= the only museum in {s} is {o} | {s} has only one museum, {o} | tourists in {s} all go to {o} | {o} is the only museum in {s}
? What is the name of the only museum in {s}? | Which museum do tourists in {s} go to?
& the only museum in {s} | the museum in {s}
town_club!: town > club; itsclub; where
= the football club in {s} is called {o} | everyone in {s} supports {o} | {o} is the football club of {s} | {s} cheers for {o}
? What is the football club in {s} called? | Which club does everyone in {s} support?
& the football club in {s} | the football club of {s} | the club that everyone in {s} supports
"""


@dataclass(frozen=True, slots=True)
class Relation:
    """One kind of fact: what it joins, how it is said, asked for, and how its object is called by way of it."""

    name: str
    subject: str
    object: str
    says: tuple[str, ...]
    asks: tuple[str, ...]
    nouns: tuple[str, ...]
    subject_marks: frozenset[str]  # what a thing can be or have only once, such as a place of work
    object_marks: frozenset[str]
    sexes: tuple[str, str] = (".", ".")
    alone: bool = False  # nobody can be the object twice


def _marks(text: str) -> frozenset[str]:
    return frozenset(mark for mark in text.strip().split(",") if mark not in {"", "-"})


def _templates(text: str) -> tuple[str, ...]:
    return tuple(template.strip() for template in text.split("|") if template.strip())


def _bond(line: str) -> Relation:
    head, _, rest = line.partition(" = ")
    *name, sex, subject_sex, subject_marks, object_marks = head.split()
    word = " ".join(name).rstrip("!")
    own, _, others = rest.partition(" & ")
    article = "an" if word[0] in "aeiou" else "a"
    says = (
        f"{{s}}'s {word} is {{o}} | {{s}}'s {word} is called {{o}} | {{o}} is {{s}}'s {word} | {{o}} is the {word} of {{s}}"
        f" | the {word} of {{s}} is {{o}} | {{s}} has {article} {word} called {{o}} | {{o}}, {{s}}'s {word}, {{does}}"
        f" | {{s}}'s {word}, {{o}}, {{does}} | the name of {{s}}'s {word} is {{o}} | {{o}}, the {word} of {{s}}, {{does}}"
    )
    asks = (
        f"Who is {{s}}'s {word}? | Who is the {word} of {{s}}? | What is the name of {{s}}'s {word}?"
        f" | What is {{s}}'s {word} called? | What is the name of the {word} of {{s}}?"
    )
    return Relation(
        name=word.replace(" ", "_"),
        subject="person",
        object="person",
        says=_templates(says) + _templates(own),
        asks=_templates(asks),
        nouns=(f"{{s}}'s {word}",) * 2 + (f"the {word} of {{s}}",) + _templates(others),
        subject_marks=_marks(subject_marks) | {word},
        object_marks=_marks(object_marks) | {word},
        sexes=(subject_sex, sex),
        alone="!" in head,
    )


def _fact(head: str, says: str, asks: str, nouns: str) -> Relation:
    name, _, rest = head.partition(":")
    pair, subject_marks, object_marks = rest.split(";")
    subject, _, thing = pair.partition(">")
    return Relation(
        name=name.rstrip("!"),
        subject=subject.strip(),
        object=thing.strip(),
        says=_templates(says),
        asks=_templates(asks),
        nouns=_templates(nouns),
        subject_marks=_marks(subject_marks),
        object_marks=_marks(object_marks),
        alone="!" in name,
    )


def _read() -> dict[str, Relation]:
    found = [_bond(line) for line in BONDS.strip().splitlines()]
    parts: dict[str, str] = {}
    for line in [*FACTS.strip().splitlines(), ":"]:
        if line[0] in "=?&":
            parts[line[0]] = line[1:]
            continue
        if parts:
            found.append(_fact(parts[":"], parts["="], parts["?"], parts.get("&", "")))
        parts = {":": line}
    return {relation.name: relation for relation in found}


RELATIONS = _read()


def is_test(word: str) -> bool:
    """Whether a word of a name belongs to the test split: one third of them do, by a checksum of the word."""
    return zlib.crc32(word.lower().encode()) % 3 == 0


@cache
def _pool(split: Split) -> dict[str, tuple[str, ...]]:
    towns = [a + b for a in TOWN_STARTS for b in TOWN_ENDS]
    lists = {
        "w": WOMEN,
        "m": MEN,
        "surname": SURNAMES,
        "town": TOWNS,
        "newtown": towns,
        "country": COUNTRIES,
        "river": RIVERS,
        "district": DISTRICTS,
        "base": [*BASES, *SURNAMES],
        "adjective": TITLE_ADJECTIVES,
        "noun": TITLE_NOUNS,
        "shipnoun": SHIP_NOUNS,
        "pet": PETS,
    }
    return {
        kind: tuple(name for name in dict.fromkeys(names) if is_test(name) == (split == "test"))
        for kind, names in lists.items()
    }


NOUNS = {kind: tuple(noun.strip() for noun in text.split("|")) for kind, text in _NOUNS.items()}
SUFFIXES = {kind: tuple(end.strip() for end in text.split("|")) for kind, text in ENDS.items()}
SHARED = {word.lower() for ends in SUFFIXES.values() for end in ends for word in end.split()} | {"the", "and"}
RANGES = {
    "year": (1720, 2015),
    "lateyear": (1925, 2020),
    "birthyear": (1931, 2004),
    "headcount": (12, 990),
    "age": (18, 89),
    "metres": (31, 320),
}
ARTICLED = ("river", "ship", "museum", "hospital", "band", "building")
QUOTED = ("book", "painting", "song", "film")


@dataclass(frozen=True, slots=True)
class Entity:
    """Somebody or something in a passage, or a plain word that answers a question."""

    kind: str
    name: str
    text: str  # the name as it stands in a sentence: with an article, in quotation marks
    sex: str = "."


class Cast:
    """The names of one passage; no two share a word of their own, and none is part of another."""

    def __init__(self, rng: random.Random, split: Split, *, real_towns: bool) -> None:
        self.rng, self.pool, self.towns = rng, _pool(split), "town" if real_towns else "newtown"
        self.taken: list[str] = []
        self.proper: list[str] = []
        self.quote = rng.choice(("'", '"', '"', ""))

    def new(self, kind: str, sex: str = ".") -> Entity:
        sex = self.rng.choice("wm") if kind == "person" and sex == "." else sex
        name = next(name for name in iter(lambda: self._draw(kind, sex), None) if self._free(name))
        self.taken.append(name.lower())
        if kind not in {*NOUNS, *RANGES, "population"}:
            self.proper.append(name)
        return Entity(kind, name, self._text(kind, name), sex)

    def _free(self, name: str) -> bool:
        low = name.lower()
        own = set(low.split()) - SHARED
        return not any(low in old or old in low or own & set(old.split()) for old in self.taken)

    def _text(self, kind: str, name: str) -> str:
        if kind in ARTICLED:
            return f"the river {name}" if kind == "river" and self.rng.random() < 0.3 else f"the {name}"
        return f"{self.quote}{name}{self.quote}" if kind in QUOTED else name

    def _draw(self, kind: str, sex: str) -> str:
        pick, pool = self.rng.choice, self.pool
        if kind == "person":
            first = pick(pool[sex])
            return f"{first} {pick(pool['surname'])}" if self.rng.random() < 0.35 else first
        if kind in NOUNS:
            return pick(NOUNS[kind])
        if kind in SUFFIXES:
            return f"{pick(pool['base'])} {pick(SUFFIXES[kind])}"
        if kind in RANGES:
            return str(self.rng.randint(*RANGES[kind]))
        if kind == "population":
            return f"{self.rng.randint(1, 400)},{self.rng.randint(10, 99)}0"
        return (
            self._title(kind)
            if kind in (*QUOTED, "ship")
            else pick(pool[self.towns if kind == "town" else kind])
        )

    def _title(self, kind: str) -> str:
        pick, noun = self.rng.choice, self.pool["shipnoun" if kind == "ship" else "noun"]
        shape = self.rng.random()
        if kind == "ship" or shape < 0.5:
            return f"{pick(self.pool['adjective'])} {pick(noun)}"
        if shape < 0.75:
            return f"The {pick(self.pool['adjective'])} {pick(noun)}"
        return f"The {pick(noun)} and the {pick(noun)}" if shape < 0.88 else f"The {pick(noun)}"
