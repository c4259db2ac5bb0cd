"""The papers that the methods text cites."""

REFERENCES = {
    "shen2019": "Shen G, Horikawa T, Majima K, Kamitani Y. Deep image reconstruction from human brain activity. "
    "PLOS Comput Biol 2019; 15: e1006633.",
    "miyawaki2008": "Miyawaki Y, Uchida H, Yamashita O, Sato M, Morito Y, Tanabe HC, Sadato N, Kamitani Y. Visual image "
    "reconstruction from human brain activity using a combination of multiscale local image decoders. "
    "Neuron 2008; 60: 915–929.",
    "horikawa2017": "Horikawa T, Kamitani Y. Generic decoding of seen and imagined objects using hierarchical visual "
    "features. Nat Commun 2017; 8: 15037.",
    "bishop2006": "Bishop CM. Pattern recognition and machine learning. Springer 2006.",
    "dupre2022": "Dupré la Tour T, Eickenberg M, Nunez-Elizalde AO, Gallant JL. Feature-space selection with banded ridge "
    "regression. NeuroImage 2022; 264: 119728.",
    "otsuka2025": "Otsuka et al. Overcoming output dimension collapse. 2025; arXiv:2509.15832.",
    "simonyan2015": "Simonyan K, Zisserman A. Very deep convolutional networks for large-scale image recognition. "
    "ICLR 2015; arXiv:1409.1556.",
    "byrd1995": "Byrd RH, Lu P, Nocedal J, Zhu C. A limited memory algorithm for bound constrained optimization. "
    "SIAM J Sci Comput 1995; 16: 1190–1208.",
    "dosovitskiy2016": "Dosovitskiy A, Brox T. Generating images with perceptual similarity metrics based on deep networks. "
    "NeurIPS 2016; arXiv:1602.02644.",
    "dwivedi2019": "Shen G, Dwivedi K, Majima K, Horikawa T, Kamitani Y. End-to-end deep image reconstruction from human "
    "brain activity. Front Comput Neurosci 2019; 13: 21.",
    "kingma2015": "Kingma DP, Ba J. Adam: a method for stochastic optimization. ICLR 2015; arXiv:1412.6980.",
    "wang2004": "Wang Z, Bovik AC, Sheikh HR, Simoncelli EP. Image quality assessment: from error visibility to structural "
    "similarity. IEEE Trans Image Process 2004; 13: 600–612.",
    "iandola2016": "Iandola FN, Han S, Moskewicz MW, Ashraf K, Dally WJ, Keutzer K. SqueezeNet: AlexNet-level accuracy "
    "with 50x fewer parameters and <0.5 MB model size. 2016; arXiv:1602.07360.",
    "tan2019": "Tan M, Le QV. EfficientNet: rethinking model scaling for convolutional neural networks. ICML 2019; "
    "arXiv:1905.11946.",
    "phipson2010": "Phipson B, Smyth GK. Permutation p-values should never be zero: calculating exact p-values when "
    "permutations are randomly drawn. Stat Appl Genet Mol Biol 2010; 9: 39.",
    "lowekamp2013": "Lowekamp BC, Chen DT, Ibáñez L, Blezek D. The design of SimpleITK. Front Neuroinform 2013; 7: 45.",
    "friston1995": "Friston KJ, Ashburner J, Frith CD, Poline JB, Heather JD, Frackowiak RSJ. Spatial registration and "
    "normalization of images. Hum Brain Mapp 1995; 3: 165–189.",
    "avants2011": "Avants BB, Tustison NJ, Song G, Cook PA, Klein A, Gee JC. A reproducible evaluation of ANTs similarity "
    "metric performance in brain image registration. NeuroImage 2011; 54: 2033–2044.",
    "esteban2019": "Esteban O, Markiewicz CJ, Blair RW, Moodie CA, Isik AI, Erramuzpe A, et al. fMRIPrep: a robust "
    "preprocessing pipeline for functional MRI. Nat Methods 2019; 16: 111–116.",
    "mattes2003": "Mattes D, Haynor DR, Vesselle H, Lewellen TK, Eubank W. PET-CT image registration in the chest using "
    "free-form deformations. IEEE Trans Med Imaging 2003; 22: 120–128.",
    "studholme1999": "Studholme C, Hill DLG, Hawkes DJ. An overlap invariant entropy measure of 3D medical image "
    "alignment. Pattern Recognit 1999; 32: 71–86.",
    "greve2009": "Greve DN, Fischl B. Accurate and robust brain image alignment using boundary-based registration. "
    "NeuroImage 2009; 48: 63–72.",
    "tustison2010": "Tustison NJ, Avants BB, Cook PA, Zheng Y, Egan A, Yushkevich PA, Gee JC. N4ITK: improved N3 bias "
    "correction. IEEE Trans Med Imaging 2010; 29: 1310–1320.",
    "mumford2012": "Mumford JA, Turner BO, Ashby FG, Poldrack RA. Deconvolving BOLD activation in event-related designs for "
    "multivoxel pattern classification analyses. NeuroImage 2012; 59: 2636–2643.",
    "power2012": "Power JD, Barnes KA, Snyder AZ, Schlaggar BL, Petersen SE. Spurious but systematic correlations in "
    "functional connectivity MRI networks arise from subject motion. NeuroImage 2012; 59: 2142–2154.",
    "nilearn2024": "Nilearn contributors. Nilearn: machine learning for neuroimaging in Python. "
    "doi:10.5281/zenodo.8397156.",
    "molder2021": "Mölder F, Jablonski KP, Letcher B, Hall MB, Tomkins-Tinch CH, Sochat V, et al. Sustainable data "
    "analysis with Snakemake. F1000Research 2021; 10: 33.",
}
